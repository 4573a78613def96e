// Has the proxy's public port listen on [::1] beside 127.0.0.1, as `localhost` is both; the proxy itself
// takes one address. HABARI_HUB_PORT names the port: its own interface stays on 127.0.0.1 alone. A
// machine without IPv6 goes without, and browsers with it. Loaded before the proxy by `node --require`.
"use strict";
const net = require("node:net");

const listen = net.Server.prototype.listen;
net.Server.prototype.listen = function (port, address, ...more) {
  if (address === "127.0.0.1" && String(port) === process.env.HABARI_HUB_PORT) {
    // Connections are handed over as Node documents it for the event "connection" of http.Server.
    const other = net.createServer({ allowHalfOpen: true }, (socket) => this.emit("connection", socket));
    other.on("error", (error) => console.error(`[::1]:${port}: ${error.code}, only 127.0.0.1 is served`));
    listen.call(other, port, "::1");
  }
  return listen.call(this, port, address, ...more);
};
