//! A Runtime API for tests: hands out a list of events, records what is posted, and runs one runtime process against it.
//! It refuses to judge: it returns what it saw.

import { spawn } from 'node:child_process';
import { createServer } from 'node:http';

export const REQUEST_ID = '8476a536-e9f4-11e8-9739-2dfe598c3fcd';
const ENVIRONMENT = {
  AWS_LAMBDA_FUNCTION_NAME: 'example',
  AWS_LAMBDA_FUNCTION_VERSION: '$LATEST',
  AWS_LAMBDA_FUNCTION_MEMORY_SIZE: '128',
  AWS_LAMBDA_LOG_GROUP_NAME: '/aws/lambda/example',
  AWS_LAMBDA_LOG_STREAM_NAME: '2026/11/23/[$LATEST]0123456789abcdef0123456789abcdef',
  AWS_REGION: 'us-east-1',
  TZ: ':UTC',
  PATH: process.env.PATH,
};
const EVENT_HEADERS = {
  'Content-Type': 'application/json',
  'Lambda-Runtime-Aws-Request-Id': REQUEST_ID,
  'Lambda-Runtime-Deadline-Ms': '4102444800000',
  'Lambda-Runtime-Invoked-Function-Arn': 'arn:aws:lambda:us-east-1:000000000000:function:example',
  'Lambda-Runtime-Trace-Id': 'Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Parent=9a9197af755a6419;Sampled=1',
};

/** One invocation to hand out: its body, headers that add to or (when null) take from the usual ones. */
export function event(body = '{}', headers = {}, answerStatus = 202) {
  const all = { ...EVENT_HEADERS, ...headers };
  for (const name of Object.keys(all)) if (all[name] === null) delete all[name];
  return { body, headers: all, answerStatus };
}

async function bodyOf(request) {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  return Buffer.concat(chunks).toString('utf8');
}

/** An event that never comes: the runtime waits for it until it ends by itself. */
export const NEVER = { held: true };

/**
 * Runs a runtime against a list of events.
 * @returns `posts`, `stdout` (bytes), `stderr`, and `status`: the exit status, or null for a process that was waiting
 *   for a further event when all of them had been answered; `joins` is false for a Runtime API that, as AWS's does, answers
 *   an outcome with nothing but that it was accepted
 */
export async function exchange(command, events, environment, directory, joins = true) {
  const posts = [];
  let served = 0;
  let process_ = null;
  let wasIdle = false;
  const handOut = (response) => {
    if (served === events.length) {
      // The runtime is idle: all it had to say has been said.
      wasIdle = true;
      process_.kill('SIGKILL');
      return;
    }
    const { headers, body, held } = events[served];
    if (held) return;
    served++;
    response.writeHead(200, { ...headers, 'Content-Length': Buffer.byteLength(body) }).end(body);
  };
  const server = createServer(async (request, response) => {
    if (request.method === 'GET') {
      handOut(response);
      return;
    }
    const body = await bodyOf(request).catch(() => null);
    const path = request.url.replace(/^.*\/runtime\//, '');
    if (body !== null) posts.push({ path, headers: request.headers, body, trailers: request.trailers });
    const status = events[served - 1]?.answerStatus ?? 202;
    if (joins && status === 202 && 'hearth-runtime-next' in request.headers) handOut(response);
    else response.writeHead(status, { 'Content-Length': 15 }).end('{"status":"OK"}');
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = `127.0.0.1:${server.address().port}`;
  const env = { ...ENVIRONMENT, AWS_LAMBDA_RUNTIME_API: address, LAMBDA_TASK_ROOT: directory, ...environment };
  process_ = spawn(command[0], command.slice(1), { cwd: directory, env, stdio: ['ignore', 'pipe', 'pipe'] });
  const stdout = [];
  const stderr = [];
  process_.stdout.on('data', (chunk) => stdout.push(chunk));
  process_.stderr.on('data', (chunk) => stderr.push(chunk));
  const tooLong = setTimeout(() => process_.kill('SIGKILL'), 20_000);
  const status = await new Promise((resolve) => process_.on('close', resolve));
  clearTimeout(tooLong);
  server.closeAllConnections();
  server.close();
  return { posts, stdout: Buffer.concat(stdout), stderr: Buffer.concat(stderr).toString(), status: wasIdle ? null : status };
}
