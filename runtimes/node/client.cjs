//! The Runtime API's client: asks for events and posts outcomes, over one kept connection.
//! It refuses to interpret what it carries, and speaks only the HTTP/1.1 that this needs: `node:http` would cost a
//! small function a tenth of its start, and each invocation more than the rest of the runtime together.

'use strict';

const { connect } = require('node:net');
const { errorReport, headerText, xrayCause } = require('./errors.cjs');
const { PROMISES_ONLY } = require('./generation.cjs');

const API = '/2018-06-01/runtime';
// X-Ray takes documents of up to 64 KB, so a longer cause would only weigh on the request.
const XRAY_CAUSE_LIMIT_BYTES = 32 * 1024;
// Up to here no outcome is too large, in whatever characters.
const SMALL_OUTCOME_CHARACTERS = 64 * 1024;

class RuntimeApiClient {
  #address;
  #host;
  #port;
  #socket = null;
  #pending = null;
  #head = '';
  #body = null;
  #filled = 0;
  // The answer to an outcome, when it can be the next event.
  #following = null;

  /** @param address host and port, as in `AWS_LAMBDA_RUNTIME_API` */
  constructor(address) {
    this.#address = address;
    const colon = address.lastIndexOf(':');
    this.#host = address.slice(0, colon).replace(/^\[|\]$/g, '');
    this.#port = Number(address.slice(colon + 1));
  }

  get host() {
    return this.#host;
  }

  get port() {
    return this.#port;
  }

  /** Where the response of an invocation is posted. */
  static responsePath(requestId) {
    return `${API}/invocation/${encodeURIComponent(requestId)}/response`;
  }

  /** Waits for an event; its headers, with names in lower case, and its body as text. */
  async next() {
    if (this.#following !== null) {
      const answer = await this.#following;
      this.#following = null;
      if (answer.status === 200) return eventOf(answer);
      logUntaken(answer);
    }
    const answer = await this.#exchange('GET', `${API}/invocation/next`);
    if (answer.status !== 200) throw new Error(`Failed to get next invocation, error ${answer.status}`);
    return eventOf(answer);
  }

  /** Posts the JSON text of a result. */
  async postInvocationResponse(text, requestId) {
    const path = RuntimeApiClient.responsePath(requestId);
    const headers = { 'Content-Type': 'application/json' };
    if (this.#pending !== null || this.#following !== null || text.length > SMALL_OUTCOME_CHARACTERS) {
      await this.#postOutcome(path, headers, text);
      return;
    }
    // Our own Runtime API answers with the next event, which is all that is asked for after this; another, as ever.
    this.#following = this.#exchange('POST', path, { ...headers, 'Hearth-Runtime-Next': 'true' }, text);
    // It is awaited, and fails, where the next event is.
    this.#following.catch(() => {});
  }

  async postInvocationError(error, requestId) {
    const headers = { 'Content-Type': 'application/json' };
    const cause = xrayCause(error);
    if (Buffer.byteLength(cause) <= XRAY_CAUSE_LIMIT_BYTES) headers['Lambda-Runtime-Function-XRay-Error-Cause'] = cause;
    const path = `${API}/invocation/${encodeURIComponent(requestId)}/error`;
    await this.#postOutcome(path, headers, JSON.stringify(errorReport(error)));
  }

  async #postOutcome(path, headers, text) {
    logUntaken(await this.#exchange('POST', path, headers, text));
  }

  async postInitError(error) {
    const report = errorReport(error);
    const headers = { 'Content-Type': 'application/json', 'Lambda-Runtime-Function-Error-Type': headerText(report.errorType) };
    await this.#exchange('POST', `${API}/init/error`, headers, JSON.stringify(report));
  }

  async #exchange(method, path, headers = {}, text = '') {
    // What a function left running may fail while the next event is waited for; that is told on another connection.
    if (this.#pending !== null) return new RuntimeApiClient(this.#address).#exchange(method, path, headers, text);
    const body = Buffer.from(text);
    const agent = `hearth-node/${process.version}`;
    const lines = [`${method} ${path} HTTP/1.1`, `Host: ${this.#address}`, `User-Agent: ${agent}`];
    for (const name of Object.keys(headers)) lines.push(`${name}: ${headers[name]}`);
    if (method === 'POST') lines.push(`Content-Length: ${body.length}`);
    const request = Buffer.concat([Buffer.from(lines.join('\r\n') + '\r\n\r\n'), body]);
    const kept = this.#socket !== null;
    try {
      return await this.#send(request);
    } catch (error) {
      // A kept connection may have been closed since; whoever closed it did not answer on it.
      if (!kept || this.#head !== '') throw error;
      return this.#send(request);
    }
  }

  #send(request) {
    return new Promise((resolve, reject) => {
      this.#pending = { resolve, reject };
      this.#head = '';
      this.#body = null;
      if (this.#socket === null) this.#open();
      // While the runtime waits the socket keeps the process alive; while the function runs it must not, or the
      // event loop would never be empty.
      this.#socket.ref();
      this.#socket.write(request);
    });
  }

  #open() {
    const socket = connect({ host: this.#host, port: this.#port, noDelay: true });
    this.#socket = socket;
    let failure = null;
    socket.on('data', (chunk) => this.#take(chunk));
    socket.on('error', (error) => {
      failure = error;
    });
    socket.on('close', () => {
      // A socket that was let go, because the other side announced its end, has nothing to do with what is asked now.
      if (this.#socket !== socket) return;
      this.#socket = null;
      const pending = this.#pending;
      this.#pending = null;
      pending?.reject(failure ?? new Error(`The Runtime API at ${this.#address} closed the connection`));
    });
  }

  #take(chunk) {
    if (this.#body === null) {
      // Latin-1 keeps bytes as they are; names and values are decoded once they are known.
      const head = this.#head + chunk.toString('latin1');
      const end = head.indexOf('\r\n\r\n');
      if (end < 0) {
        this.#head = head;
        return;
      }
      const bodyStart = end + 4 - this.#head.length;
      this.#head = head.slice(0, end);
      const length = /\r\ncontent-length: *(\d+)/i.exec(this.#head);
      if (length === null) {
        this.#socket.destroy(new Error('The Runtime API answered without Content-Length'));
        return;
      }
      this.#body = Buffer.allocUnsafe(Number(length[1]));
      this.#filled = 0;
      chunk = chunk.subarray(bodyStart);
    }
    this.#filled += chunk.copy(this.#body, this.#filled);
    if (this.#filled === this.#body.length) this.#finish();
  }

  #finish() {
    const [statusLine, ...lines] = Buffer.from(this.#head, 'latin1').toString('utf8').split('\r\n');
    const headers = {};
    for (const line of lines) {
      const colon = line.indexOf(':');
      headers[line.slice(0, colon).toLowerCase()] = line.slice(colon + 1).trim();
    }
    const pending = this.#pending;
    this.#pending = null;
    if (headers.connection?.toLowerCase() === 'close') {
      this.#socket.destroy();
      this.#socket = null;
    } else {
      this.#socket.unref();
    }
    pending.resolve({ status: Number(statusLine.split(' ')[1]), headers, body: this.#body });
  }
}

const eventOf = ({ headers, body }) => ({ headers, body: body.toString('utf8') });

/** Says of an outcome that it was not taken, if it was not. */
function logUntaken({ status, body }) {
  if (status >= 200 && status < 300) return;
  // AWS: an outcome that was not taken, such as a response that is too large, is only logged, with these words, which
  // say "success" of errors too. https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
  const answer = PROMISES_ONLY ? ` ${body}` : '';
  const line = `LAMBDA_RUNTIME Failed to post handler success response. Http response code: ${status}.${answer}`;
  process.stdout.write(`[ERROR] [${Date.now()}] ${line}\n`);
}

module.exports = { RuntimeApiClient };
