//! The Node.js runtime's entry: `node bootstrap.cjs` loads a function's handler and runs it for each event of the Lambda
//! Runtime API. It stands on Node's own modules alone, from Node.js 20 on, and is CommonJS, which starts faster.
//! It refuses to know who started it: the address of the Runtime API and everything about the function come from the
//! environment variables that AWS documents.

'use strict';

const { join } = require('node:path');
const { becomeFunction, isCell, rehearse } = require('./cell.cjs');
const { RuntimeApiClient } = require('./client.cjs');
const { takeBytecode } = require('./compile-cache.cjs');
const { patchConsole } = require('./console.cjs');
const { invocation } = require('./context.cjs');
const { PROMISES_ONLY } = require('./generation.cjs');
const { streamifyResponse } = require('./handler.cjs');
const { HttpResponseStream } = require('./http-response-stream.cjs');
const { setSearchPath } = require('./search.cjs');
const { run } = require(PROMISES_ONLY ? './promises.cjs' : './callbacks.cjs');

function begin() {
  becomeFunction();
  const taskRoot = process.env.LAMBDA_TASK_ROOT;

  // AWS: its entry is an ES module called index.mjs: a function sees that name, and no main module.
  process.argv[1] = join(__dirname, 'index.mjs');
  process.mainModule = undefined;

  setSearchPath(__dirname, taskRoot);
  takeBytecode();
  patchConsole(invocation);
  if (!['1', 'true'].includes(process.env.AWS_LAMBDA_NODEJS_NO_GLOBAL_AWSLAMBDA)) {
    globalThis.awslambda = { ...globalThis.awslambda, streamifyResponse, HttpResponseStream };
  }
  run(new RuntimeApiClient(process.env.AWS_LAMBDA_RUNTIME_API), taskRoot, process.env._HANDLER);
}

if (isCell()) rehearse().then(begin);
else begin();
