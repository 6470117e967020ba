//! Running a function as the runtimes up to Node.js 22 do: the handler calls back, or returns a promise; without either,
//! or where it asks for it, an invocation ends when the event loop is empty.
//! It refuses handlers that never end: the other side times those out.

'use strict';

const { beginInvocation, fromEnvironment, fromHeaders, setTraceId } = require('./context.cjs');
const { logError } = require('./console.cjs');
const { UnhandledPromiseRejection } = require('./errors.cjs');
const { loadHandler } = require('./handler.cjs');
const { hintAtMissingSdk } = require('./search.cjs');

// AWS: the exit statuses after an error that nothing caught.
// https://docs.aws.amazon.com/lambda/latest/dg/nodejs-exceptions.html
const EXIT_UNSETTLED = 13;
const EXIT_UNHANDLED_REJECTION = 128;
const EXIT_UNCAUGHT_EXCEPTION = 129;

const isPromise = (value) => value && value.then && typeof value.then === 'function';

function toJson(result) {
  let text;
  try {
    text = JSON.stringify(result === undefined ? null : result);
  } catch {
    throw new Error('Unable to stringify response body');
  }
  // A function or a symbol has no JSON at all; these are the words of AWS's client for it.
  if (text === undefined) throw new TypeError('Wrong arguments');
  return text;
}

class Runtime {
  constructor(client) {
    this.client = client;
    this.onEmptyEventLoop = () => {};
    this.reportUncaught = (error) => client.postInitError(error);
  }

  async start(taskRoot, handlerName) {
    process.on('uncaughtException', (error) => {
      this.exitAfter('Uncaught Exception', error, EXIT_UNCAUGHT_EXCEPTION);
    });
    process.on('unhandledRejection', (reason, promise) => {
      const error = new UnhandledPromiseRejection(reason, promise);
      this.exitAfter('Unhandled Promise Rejection', error, EXIT_UNHANDLED_REJECTION);
    });
    process.on('beforeExit', () => this.onEmptyEventLoop());
    // AWS: a function that never finishes loading ends with the status of a program whose top level never settles.
    this.onEmptyEventLoop = () => process.exit(EXIT_UNSETTLED);
    try {
      Object.assign(this, await loadHandler(taskRoot, handlerName));
    } catch (error) {
      this.exitAfter('Uncaught Exception', error, EXIT_UNCAUGHT_EXCEPTION);
      return;
    }
    this.onEmptyEventLoop = () => {};
    if (this.streaming) Object.assign(this, require('./stream.cjs'));
    this.scheduleIteration();
  }

  exitAfter(title, error, status) {
    logError(title, error);
    hintAtMissingSdk(error);
    this.reportAndExit(error, status);
  }

  reportAndExit(error, status) {
    const exit = () => process.exit(status);
    this.reportUncaught(error).then(exit, exit);
  }

  scheduleIteration() {
    setImmediate(() => {
      const iteration = this.streaming ? this.handleOnceStreaming() : this.handleOnceNonStreaming();
      iteration.catch((error) => this.failIteration(error));
    });
  }

  /** For a failure of the runtime or of its connection, not of the function. */
  failIteration(error) {
    console.log(`Unexpected Top Level Error: ${error}`);
    this.reportAndExit(error, EXIT_UNCAUGHT_EXCEPTION);
  }

  /** Runs `next` when a post has been answered. */
  afterwards(post, next) {
    post.then(next, (error) => this.failIteration(error));
  }

  async begin() {
    const { headers, body } = await this.client.next();
    beginInvocation(headers);
    const requestId = headers['lambda-runtime-aws-request-id'];
    this.reportUncaught = (error) => this.client.postInvocationError(error, requestId);
    return { headers, body, requestId };
  }

  async handleOnceNonStreaming() {
    const { headers, body, requestId } = await this.begin();
    const { callback, context, markCompleted } = this.callbacks(requestId);
    this.onEmptyEventLoop = () => {
      markCompleted();
      this.onEmptyEventLoop = () => {};
      this.afterwards(this.client.postInvocationResponse('null', requestId), () => this.scheduleIteration());
    };
    try {
      const event = JSON.parse(body);
      setTraceId(headers);
      const result = this.handler(event, Object.assign(context, fromEnvironment(), fromHeaders(headers)), callback);
      if (isPromise(result)) result.then(context.succeed, context.fail).catch(context.fail);
    } catch (error) {
      callback(error);
    }
  }

  /** The callback and the context's older ways to end an invocation; only the first call of any of them counts. */
  callbacks(requestId) {
    let completed = false;
    let waitForEmptyEventLoop = true;
    const next = () => this.scheduleIteration();
    const complete = (result) => {
      if (completed) {
        console.error(
          'Invocation has already been reported as done. Cannot call complete more than once per invocation.',
        );
        return;
      }
      completed = true;
      this.afterwards(this.client.postInvocationResponse(toJson(result), requestId), next);
    };
    const report = (error) => {
      logError('Invoke Error', error);
      hintAtMissingSdk(error);
      this.afterwards(this.client.postInvocationError(error, requestId), next);
    };
    const end = (error, result, wait) => {
      this.onEmptyEventLoop = () => {};
      if (error !== undefined && error !== null) report(error);
      else if (!wait) complete(result);
      else {
        this.onEmptyEventLoop = () => {
          this.onEmptyEventLoop = () => {};
          setImmediate(() => complete(result));
        };
      }
    };
    let finished = false;
    const once =
      (call) =>
      (...values) => {
        if (finished) return;
        call(...values);
        finished = true;
      };
    const context = {
      get callbackWaitsForEmptyEventLoop() {
        return waitForEmptyEventLoop;
      },
      set callbackWaitsForEmptyEventLoop(value) {
        waitForEmptyEventLoop = value;
      },
      succeed: once((result) => end(null, result, false)),
      fail: once((error) => end(error ?? 'handled', null, false)),
      done: once((error, result) => end(error, result, false)),
    };
    const markCompleted = () => {
      completed = true;
    };
    return { callback: once((error, result) => end(error, result, waitForEmptyEventLoop)), context, markCompleted };
  }

  async handleOnceStreaming() {
    const { headers, body, requestId } = await this.begin();
    const { stream, done, fail } = this.openResponseStream(this.client, requestId, this.highWaterMark);
    let waitForEmptyEventLoop = true;
    const context = {
      get callbackWaitsForEmptyEventLoop() {
        return waitForEmptyEventLoop;
      },
      set callbackWaitsForEmptyEventLoop(value) {
        waitForEmptyEventLoop = value;
      },
    };
    const proceed = () => {
      this.onEmptyEventLoop = () => {};
      if (!waitForEmptyEventLoop) this.scheduleIteration();
      else this.onEmptyEventLoop = () => this.proceedOnce();
    };
    const failWith = (thrown) => {
      logError('Invoke Error', thrown);
      hintAtMissingSdk(thrown);
      return fail(thrown).then(() => done.catch(() => {})).then(proceed);
    };
    this.onEmptyEventLoop = () => this.proceedOnce();
    try {
      setTraceId(headers);
      Object.assign(context, fromEnvironment(), fromHeaders(headers));
      const returned = this.handler(JSON.parse(body), stream, context);
      if (!isPromise(returned)) return failWith('Streaming does not support non-async handlers.');
      if ((await returned) !== undefined) console.warn('Streaming handlers ignore return values.');
      await done;
      if (!stream.writableFinished) return failWith('Response stream is not finished.');
      proceed();
    } catch (error) {
      return failWith(error);
    }
  }

  proceedOnce() {
    this.onEmptyEventLoop = () => {};
    this.scheduleIteration();
  }
}

/** Loads the function and runs it for each event; settles when the first event is being waited for. */
function run(client, taskRoot, handlerName) {
  return new Runtime(client).start(taskRoot, handlerName);
}

module.exports = { run };
