//! Stands in for the compiled part of AWS's Node.js client, which takes minutes and a C++ compiler to build: preloaded
//! into that client, it answers for its `.node` file. As there, posts block the thread until they have been answered.
//! It refuses to be more than those three calls.

const { spawnSync } = require('node:child_process');
const { request } = require('node:http');
const Module = require('node:module');

const [hostname, port] = process.env.AWS_LAMBDA_RUNTIME_API.split(':');
const PASSED_ON = ['trace-id', 'invoked-function-arn', 'client-context', 'cognito-identity', 'aws-tenant-id', 'aws-request-id'];

const POST = `
  const request = require('node:http').request(JSON.parse(process.argv[1]), async (response) => {
    let answer = '';
    for await (const chunk of response) answer += chunk;
    console.log(JSON.stringify([response.statusCode, answer]));
  });
  request.end(require('node:fs').readFileSync(0));`;

function next() {
  return new Promise((resolve, reject) => {
    const asked = request({ hostname, port, path: '/2018-06-01/runtime/invocation/next', agent: false }, (response) => {
      let bodyJson = '';
      response.setEncoding('utf8');
      response.on('data', (chunk) => (bodyJson += chunk));
      response.on('end', () => {
        const headers = { 'lambda-runtime-deadline-ms': Number(response.headers['lambda-runtime-deadline-ms']) };
        for (const name of PASSED_ON) {
          const value = response.headers[`lambda-runtime-${name}`];
          if (value) headers[`lambda-runtime-${name}`] = Buffer.from(value, 'latin1').toString('utf8');
        }
        resolve({ bodyJson, headers });
      });
    });
    asked.on('error', reject);
    asked.end();
  });
}

function post(id, outcome, body, headers) {
  if (typeof body !== 'string') throw new TypeError('Wrong arguments');
  const options = {
    hostname,
    port,
    method: 'POST',
    path: `/2018-06-01/runtime/invocation/${id}/${outcome}`,
    headers: { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body), ...headers },
  };
  const { stdout } = spawnSync(process.execPath, ['-e', POST, JSON.stringify(options)], { input: body, env: {} });
  const [status, answer] = JSON.parse(stdout);
  if (status >= 200 && status < 300) return;
  // Only the newer of the two clients logs what was answered.
  const text = process.env.AWS_EXECUTION_ENV === 'AWS_Lambda_nodejs24.x' ? ` ${answer}` : '';
  const line = `LAMBDA_RUNTIME Failed to post handler success response. Http response code: ${status}.${text}`;
  process.stdout.write(`[ERROR] [${Date.now()}] ${line}\n`);
}

Module._extensions['.node'] = (module) => {
  module.exports = {
    next,
    done: (id, body) => post(id, 'response', body, {}),
    error: (id, body) => post(id, 'error', body, {}),
  };
};
// The file itself need not be there.
const resolveFilename = Module._resolveFilename;
Module._resolveFilename = function (name, ...rest) {
  return name.endsWith('/rapid-client.node') ? name : resolveFilename.call(this, name, ...rest);
};
