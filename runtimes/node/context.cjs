//! The context object that a handler gets beside its event, and the invocation that log lines belong to.
//! It refuses to fetch anything: all of it comes from the invocation's headers and the environment variables.

'use strict';

const { PROMISES_ONLY } = require('./generation.cjs');

const REQUEST_ID = Symbol.for('aws.lambda.runtime.requestId');
const TENANT_ID = Symbol.for('aws.lambda.runtime.tenantId');

/** The current invocation, kept where other code in the process may read it, as in AWS's runtime. */
const invocation = {
  get requestId() {
    // AWS: between invocations the log's second column says `undefined`, or, from Node.js 24 on, `-`.
    return globalThis[REQUEST_ID] ?? (PROMISES_ONLY ? '-' : undefined);
  },
  get tenantId() {
    return globalThis[TENANT_ID];
  },
};

/** Makes the invocation with these headers the current one. */
function beginInvocation(headers) {
  globalThis[REQUEST_ID] = headers['lambda-runtime-aws-request-id'];
  globalThis[TENANT_ID] = headers['lambda-runtime-aws-tenant-id'];
}

/** Hands the trace on to the SDKs, which look for it in the environment. */
function setTraceId(headers) {
  const traceId = headers['lambda-runtime-trace-id'];
  if (traceId) process.env._X_AMZN_TRACE_ID = traceId;
  else delete process.env._X_AMZN_TRACE_ID;
}

function parseHeader(value, name) {
  if (!value) return undefined;
  try {
    return JSON.parse(value);
  } catch (error) {
    throw new Error(`Cannot parse ${name} as json: ${error}`);
  }
}

function fromEnvironment() {
  return {
    functionVersion: process.env.AWS_LAMBDA_FUNCTION_VERSION,
    functionName: process.env.AWS_LAMBDA_FUNCTION_NAME,
    memoryLimitInMB: process.env.AWS_LAMBDA_FUNCTION_MEMORY_SIZE,
    logGroupName: process.env.AWS_LAMBDA_LOG_GROUP_NAME,
    logStreamName: process.env.AWS_LAMBDA_LOG_STREAM_NAME,
  };
}

function fromHeaders(headers) {
  const deadline = Number(headers['lambda-runtime-deadline-ms']);
  return {
    clientContext: parseHeader(headers['lambda-runtime-client-context'], 'ClientContext'),
    identity: parseHeader(headers['lambda-runtime-cognito-identity'], 'CognitoIdentity'),
    invokedFunctionArn: headers['lambda-runtime-invoked-function-arn'],
    awsRequestId: headers['lambda-runtime-aws-request-id'],
    tenantId: headers['lambda-runtime-aws-tenant-id'],
    getRemainingTimeInMillis: function () {
      return deadline - Date.now();
    },
  };
}

module.exports = { invocation, beginInvocation, setTraceId, fromEnvironment, fromHeaders };
