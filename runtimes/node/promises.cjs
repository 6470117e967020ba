//! Running a function as the runtimes from Node.js 24 on do: what the handler returns, awaited, is the result.
//! It refuses handlers with callbacks, and leaves what nothing catches to Node itself, which ends the process.

'use strict';

const { logError } = require('./console.cjs');
const { beginInvocation, fromEnvironment, fromHeaders, setTraceId } = require('./context.cjs');
const { JSONStringifyError } = require('./errors.cjs');
const { loadHandler } = require('./handler.cjs');
const { installInvokeStore } = require('./invoke-store.cjs');
const { hintAtMissingSdk } = require('./search.cjs');

function toJson(result) {
  let text;
  try {
    text = JSON.stringify(result === undefined ? null : result);
  } catch {
    throw new JSONStringifyError('Unable to stringify response body');
  }
  // A function or a symbol has no JSON at all; these are the words of AWS's client for it.
  if (text === undefined) throw new TypeError('Wrong arguments');
  return text;
}

/** Lets what the function started run as far as it can, before its result counts. */
const turnOfTheEventLoop = () => new Promise((resolve) => setImmediate(resolve));

async function report(error) {
  await turnOfTheEventLoop();
  logError('Invoke Error', error);
  hintAtMissingSdk(error);
}

class BufferedInvokeProcessor {
  constructor(client, handler) {
    this.client = client;
    this.handler = handler;
  }

  async processInvoke(event, context) {
    let text;
    try {
      const result = await this.handler(event, context);
      await turnOfTheEventLoop();
      text = toJson(result);
    } catch (error) {
      await report(error);
      await this.client.postInvocationError(error, context.awsRequestId);
      return;
    }
    await this.client.postInvocationResponse(text, context.awsRequestId);
  }
}

class StreamingInvokeProcessor {
  constructor(client, handler, openResponseStream, highWaterMark) {
    this.client = client;
    this.handler = handler;
    this.openResponseStream = openResponseStream;
    this.highWaterMark = highWaterMark;
  }

  async processInvoke(event, context) {
    const { stream, done, fail } = this.openResponseStream(this.client, context.awsRequestId, this.highWaterMark);
    try {
      const returned = this.handler(event, stream, context);
      if (typeof returned?.then !== 'function') throw new Error('Streaming does not support non-async handlers.');
      if ((await returned) !== undefined) console.warn('Streaming handlers ignore return values.');
      await done;
      if (!stream.writableFinished) throw new Error('Response stream is not finished.');
    } catch (error) {
      await report(error);
      await fail(error);
      await done.catch(() => {});
    }
  }
}

async function load(client, taskRoot, handlerName) {
  try {
    return await loadHandler(taskRoot, handlerName);
  } catch (error) {
    logError('Init Error', error);
    hintAtMissingSdk(error);
    await client.postInitError(error);
    throw error;
  }
}

/** Loads the function and runs it for each event; ends only by an error of the runtime's own. */
async function run(client, taskRoot, handlerName) {
  const invokeStore = installInvokeStore();
  const { handler, streaming, highWaterMark } = await load(client, taskRoot, handlerName);
  let processor = new BufferedInvokeProcessor(client, handler);
  if (streaming) {
    const { openResponseStream } = require('./stream.cjs');
    processor = new StreamingInvokeProcessor(client, handler, openResponseStream, highWaterMark);
  }
  for (;;) {
    const { headers, body } = await client.next();
    beginInvocation(headers);
    const { getRemainingTimeInMillis, ...told } = fromHeaders(headers);
    const xRayTraceId = headers['lambda-runtime-trace-id'];
    // The order is that of AWS's runtime, which a function sees when it prints the context.
    const { functionName, ...environment } = fromEnvironment();
    const context = { ...told, xRayTraceId, getRemainingTimeInMillis, functionName, ...environment };
    setTraceId(headers);
    const event = JSON.parse(body);
    const kept = invokeStore.contextOf(context.awsRequestId, xRayTraceId, context.tenantId);
    await invokeStore.run(kept, () => processor.processInvoke(event, context));
  }
}

module.exports = { run };
