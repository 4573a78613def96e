// Ends an answer in the browser when what sends it dies half-way. configurable-http-proxy 5.3 goes by
// http-proxy-3 1.23, which pipes the answer and looks at nothing but its end: a server that gave up
// left the browser waiting for ever. Cut short, a download is shown as failed. Loaded before the proxy:
//   node --require ./end_cut_answers.cjs configurable-http-proxy ...
"use strict";
const { IncomingMessage, ServerResponse } = require("node:http");

const pipe = IncomingMessage.prototype.pipe;
IncomingMessage.prototype.pipe = function (to, options) {
  if (to instanceof ServerResponse) this.once("close", () => this.complete || to.destroy());
  return pipe.call(this, to, options);
};
