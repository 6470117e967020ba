//! How a thrown value becomes the error that is reported to the Runtime API and the line that is logged.
//! It refuses to decide what is an error: callers do.

'use strict';

const { types } = require('node:util');
const { PROMISES_ONLY } = require('./generation.cjs');

/** The failures that the runtime itself names; `Runtime.ImportModuleError` and so on. */
function named(name, className = name) {
  const text = `Runtime.${name}`;
  if (PROMISES_ONLY) {
    // AWS: here the name is the error's own property, and so a field of its log line too.
    const assigned = class extends Error {
      constructor(message) {
        super(message);
        this.name = text;
      }
    };
    Object.defineProperty(assigned, 'name', { value: className });
    return assigned;
  }
  const inherited = { [name]: class extends Error {} }[name];
  inherited.prototype.name = text;
  return inherited;
}

const ImportModuleError = named('ImportModuleError');
const HandlerNotFound = named('HandlerNotFound', 'HandlerNotFoundError');
const MalformedHandlerName = named('MalformedHandlerName', 'MalformedHandlerNameError');
const UserCodeSyntaxError = named('UserCodeSyntaxError');
const MalformedStreamingHandler = named('MalformedStreamingHandler');
const InvalidStreamingOperation = named('InvalidStreamingOperation');
const JSONStringifyError = named('JSONStringifyError');
const CallbackHandlerDeprecated = named('CallbackHandlerDeprecated', 'CallbackHandlerDeprecatedError');

class UnhandledPromiseRejection extends named('UnhandledPromiseRejection') {
  constructor(reason, promise) {
    super(reason);
    this.reason = reason;
    this.promise = promise;
  }
}

// AWS: DEL is the one printable-looking character that its services refuse in a header, so it is escaped everywhere.
// https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
const escaped = (text) => text?.replaceAll('\x7F', '%7F');

function looksLikeError(value) {
  if (PROMISES_ONLY) return value instanceof Error;
  const isText = (field) => typeof field === 'string' && field !== '';
  return types.isNativeError(value) || (value && isText(value.name) && isText(value.message) && isText(value.stack));
}

/** The body of an error report. */
function errorReport(thrown) {
  try {
    if (looksLikeError(thrown)) {
      return {
        errorType: escaped(thrown.name),
        errorMessage: escaped(thrown.message),
        trace: escaped(thrown.stack).split('\n'),
      };
    }
    return { errorType: typeof thrown, errorMessage: PROMISES_ONLY ? String(thrown) : thrown.toString(), trace: [] };
  } catch {
    return {
      errorType: 'handled',
      errorMessage:
        'callback called with Error argument, but there was a problem while retrieving one or more of ' +
        'its message, name, and stack',
    };
  }
}

/** An error's type as a header: its name is the function's to choose, and may hold what a header must not. */
function headerText(errorType) {
  return String(errorType).replace(/[^\t\x20-\x7e\x80-\xff]/g, '?');
}

function intoError(thrown) {
  if (thrown instanceof Error) return thrown;
  return new Error(PROMISES_ONLY ? String(thrown) : thrown);
}

/** An error in one line of text, with every property that it has. */
function errorLine(error) {
  const replacer = (_key, value) => {
    if (!(value instanceof Error)) return value;
    const fields = { errorType: value.name, errorMessage: value.message, code: value.code, ...value };
    if (typeof value.stack === 'string') fields.stack = value.stack.split('\n');
    return fields;
  };
  try {
    return '\t' + JSON.stringify(error, replacer);
  } catch {
    return '\t' + JSON.stringify(errorReport(error));
  }
}

/** The cause in X-Ray's form, for the trace of the invocation; empty when the error cannot be told that way. */
function xrayCause(error) {
  try {
    const [, ...lines] = error.stack ? escaped(error.stack).split('\n') : [];
    const stack = lines.map((line) => {
      const frame = line.trim().replace(/[()]/g, '').replace(/^\S* /, '');
      const cut = frame.lastIndexOf(' ');
      const [path, number] = frame.slice(cut + 1).split(':');
      return { path, line: parseInt(number), label: frame.slice(0, Math.max(cut, 0)) || 'anonymous' };
    });
    return JSON.stringify({
      working_directory: process.cwd(),
      exceptions: [{ type: escaped(error.name), message: escaped(error.message), stack }],
      paths: [...new Set(stack.map((frame) => frame.path))],
    });
  } catch {
    return '';
  }
}

module.exports = {
  ImportModuleError,
  HandlerNotFound,
  MalformedHandlerName,
  UserCodeSyntaxError,
  MalformedStreamingHandler,
  InvalidStreamingOperation,
  JSONStringifyError,
  CallbackHandlerDeprecated,
  UnhandledPromiseRejection,
  errorReport,
  headerText,
  intoError,
  errorLine,
  xrayCause,
};
