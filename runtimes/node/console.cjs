//! The console of a function: lines with time, request id and level, as text or JSON, above the level that is asked for.
//! It refuses to store or ship anything: lines go to standard output, or framed to the descriptor the platform names.

'use strict';

const { writeSync } = require('node:fs');
const { format } = require('node:util');
const { errorLine, intoError } = require('./errors.cjs');
const { PROMISES_ONLY } = require('./generation.cjs');

const LEVELS = { TRACE: 1, DEBUG: 2, INFO: 3, WARN: 4, ERROR: 5, FATAL: 6 };
const TEXT_FRAME = 0xa55a0003;
const JSON_FRAME = 0xa55a0002;

let logsJson = false;

function withErrorFields(_key, value) {
  if (!(value instanceof Error)) return value;
  return { ...errorFields(value, value.stack), ...value };
}

function errorFields(error, stackOtherwise) {
  return {
    errorType: error?.constructor?.name ?? 'UnknownError',
    errorMessage: error.message,
    stackTrace: typeof error.stack === 'string' ? error.stack.split('\n') : stackOtherwise,
  };
}

function jsonLine(timestamp, level, invocation, values) {
  const line = { timestamp, level, requestId: invocation.requestId, tenantId: invocation.tenantId };
  if (values.length <= 1) {
    try {
      return JSON.stringify({ ...line, message: values[0] }, withErrorFields);
    } catch {
      return JSON.stringify({ ...line, message: format(values[0]) });
    }
  }
  line.message = format(...values);
  // AWS: from Node.js 24 on, an error in the first place, before other values, is only part of the message.
  const error = values.slice(PROMISES_ONLY ? 1 : 0).find((value) => value instanceof Error);
  return JSON.stringify(error ? { ...line, ...errorFields(error, []) } : line);
}

function textLine(timestamp, level, invocation, values) {
  return `${timestamp}\t${invocation.requestId}\t${level}\t${format(...values)}`;
}

function takeTelemetryDescriptor() {
  const descriptor = process.env._LAMBDA_TELEMETRY_LOG_FD;
  delete process.env._LAMBDA_TELEMETRY_LOG_FD;
  return descriptor === undefined ? null : Number(descriptor);
}

/** A frame is its type with the level in it (4 bytes), the length (4), the time in microseconds (8), and the message. */
function writeFrame(descriptor, level, date, line) {
  const message = Buffer.from(logsJson ? line : line + '\n');
  const frame = Buffer.alloc(16 + message.length);
  frame.writeUInt32BE((logsJson ? JSON_FRAME : TEXT_FRAME) + 4 * LEVELS[level], 0);
  frame.writeUInt32BE(message.length, 4);
  frame.writeBigInt64BE(BigInt(date.valueOf()) * 1000n, 8);
  message.copy(frame, 16);
  writeSync(descriptor, frame);
}

/**
 * Replaces the console's methods.
 * @param invocation an object whose `requestId` and `tenantId` are those of the current invocation
 */
function patchConsole(invocation) {
  logsJson = process.env.AWS_LAMBDA_LOG_FORMAT?.toUpperCase() === 'JSON';
  const descriptor = takeTelemetryDescriptor();
  const line = logsJson ? jsonLine : textLine;
  const log = (level, values) => {
    const date = new Date();
    const text = line(date.toISOString(), level, invocation, values);
    if (descriptor === null) process.stdout.write(text.replaceAll('\n', '\r') + '\n');
    else writeFrame(descriptor, level, date, text);
  };
  const lowest = LEVELS[process.env.AWS_LAMBDA_LOG_LEVEL?.toUpperCase()] ?? LEVELS.TRACE;
  for (const level of Object.keys(LEVELS)) {
    // `console.log()` without a value logs one that is undefined.
    const method = (value, ...values) => log(level, [value, ...values]);
    console[level.toLowerCase()] = LEVELS[level] >= lowest ? method : () => {};
  }
  console.log = console.info;
}

/** Logs a failure of the function, titled as AWS titles it. */
function logError(title, thrown) {
  const error = intoError(thrown);
  if (logsJson) console.error(error);
  else console.error(title, errorLine(error));
}

module.exports = { patchConsole, logError };
