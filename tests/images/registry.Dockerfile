# A registry for the tests of push and pull, from Debian packages.
ARG BASE
FROM ${BASE}
RUN apt-get update -qq \
    && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends docker-registry >/dev/null
# Debian's own configuration asks for a password.
RUN printf 'version: 0.1\nstorage: {filesystem: {rootdirectory: /srv}}\nhttp: {addr: ":5000"}\n' >/registry.yml
CMD ["docker-registry", "serve", "/registry.yml"]
