//! The Node.js runtime's entry: `node index.mjs` loads a function's handler and runs it for each event of the Lambda
//! Runtime API. It stands on Node's own modules alone, from Node.js 20 on.
//! It refuses to know who started it: the address of the Runtime API and everything about the function come from the
//! environment variables that AWS documents. Its name and place are AWS's, because Node shows them to the function.

import { RuntimeApiClient } from './client.mjs';
import { patchConsole } from './console.mjs';
import { invocation } from './context.mjs';
import { PROMISES_ONLY } from './generation.mjs';
import { streamifyResponse } from './handler.mjs';
import { HttpResponseStream } from './http-response-stream.mjs';
import { setSearchPath } from './search.mjs';

const taskRoot = process.env.LAMBDA_TASK_ROOT;
setSearchPath(import.meta.dirname, taskRoot);
patchConsole(invocation);
if (!['1', 'true'].includes(process.env.AWS_LAMBDA_NODEJS_NO_GLOBAL_AWSLAMBDA)) {
  globalThis.awslambda = { ...globalThis.awslambda, streamifyResponse, HttpResponseStream };
}
const { run } = await import(PROMISES_ONLY ? './promises.mjs' : './callbacks.mjs');
const running = run(new RuntimeApiClient(process.env.AWS_LAMBDA_RUNTIME_API), taskRoot, process.env._HANDLER);
// AWS: up to Node.js 22 a function that never finishes loading is one whose top level never settles: exit status 13.
if (!PROMISES_ONLY) await running;
