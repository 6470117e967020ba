//! Response streaming: the stream that a streaming handler writes to. Loaded only for such handlers.
//! It refuses to buffer: what is written goes out as a chunk of the request that posts the response.

'use strict';

const { Agent, request } = require('node:http');
const { RuntimeApiClient } = require('./client.cjs');
const { InvalidStreamingOperation, errorReport, headerText } = require('./errors.cjs');

const ERROR_TYPE = 'Lambda-Runtime-Function-Error-Type';
const ERROR_BODY = 'Lambda-Runtime-Function-Error-Body';

// AWS: what a handler may use of the request under its stream.
// https://docs.aws.amazon.com/lambda/latest/dg/config-rs-write-functions.html
const METHODS = [
  ...['cork', 'destroy', 'end', 'uncork', 'write'],
  ...['addListener', 'emit', 'eventNames', 'getMaxListeners', 'listenerCount', 'listeners', 'off', 'on', 'once'],
  ...['prependListener', 'prependOnceListener', 'rawListeners', 'removeAllListeners', 'removeListener'],
  ...['setMaxListeners', 'setContentType'],
];
const WRITABLE_PROPERTIES = ['destroyed', 'writable', '_onBeforeFirstWrite'];
const READABLE_PROPERTIES = [
  ...['writableFinished', 'writableObjectMode', 'writableEnded', 'writableNeedDrain', 'writableHighWaterMark'],
  ...['writableCorked', 'writableLength'],
];

const agent = new Agent({ keepAlive: true, maxSockets: 1 });

function limited(inner) {
  const stream = {};
  for (const name of METHODS) stream[name] = inner[name].bind(inner);
  for (const name of READABLE_PROPERTIES) Object.defineProperty(stream, name, { get: () => inner[name] });
  for (const name of WRITABLE_PROPERTIES) {
    const set = (value) => {
      inner[name] = value;
    };
    Object.defineProperty(stream, name, { get: () => inner[name], set });
  }
  return stream;
}

/**
 * Opens the response of an invocation.
 * @returns `stream`, to be written by the handler; `done`, which settles when the response has been taken; and
 *   `fail(thrown)`, which ends it with an error in its trailers and settles when that has been sent
 */
function openResponseStream(client, requestId, highWaterMark) {
  let begun = false;
  const outgoing = request({
    host: client.host,
    port: client.port,
    method: 'POST',
    path: RuntimeApiClient.responsePath(requestId),
    agent,
    highWaterMark,
    headers: {
      'Lambda-Runtime-Function-Response-Mode': 'streaming',
      Trailer: [ERROR_TYPE, ERROR_BODY],
      'Content-Type': 'application/octet-stream',
      'Transfer-Encoding': 'chunked',
    },
  });
  const done = new Promise((resolve, reject) => {
    outgoing.on('response', (response) => response.on('end', resolve).on('error', reject).resume());
    outgoing.on('error', reject);
  });
  // A response that nobody waits for any more, because the handler has failed first, is no failure of its own.
  done.catch(() => {});
  outgoing.setContentType = (contentType) => {
    if (begun) throw new InvalidStreamingOperation('Cannot set content-type, too late.');
    outgoing.setHeader('Content-Type', contentType);
  };
  const write = outgoing.write.bind(outgoing);
  outgoing.write = (chunk, encoding, callback) => {
    const isRaw = typeof chunk === 'string' || chunk instanceof Uint8Array;
    if (!begun) outgoing._onBeforeFirstWrite?.((piece) => write(piece));
    begun = true;
    return write(isRaw ? chunk : JSON.stringify(chunk), encoding, callback);
  };
  const fail = (thrown) => {
    const report = errorReport(thrown);
    outgoing.addTrailers({
      [ERROR_TYPE]: headerText(report.errorType),
      [ERROR_BODY]: Buffer.from(JSON.stringify(report)).toString('base64'),
    });
    return new Promise((resolve) => outgoing.end(resolve));
  };
  return { stream: limited(outgoing), done, fail };
}

module.exports = { openResponseStream };
