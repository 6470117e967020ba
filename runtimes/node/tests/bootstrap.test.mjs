//! Runs every case of `cases.mjs` through our Node.js runtime and through AWS's own client.
//! AWS's client (`aws-lambda-ric` on npm) is installed into HEARTH_REFERENCE_DIR, or `.build/reference` in the
//! repository; where that fails, which is said on standard error, only the fixed expectations are checked.
//! HEARTH_TEST_NODES (paths, by colons) names the `node` programs to run on, instead of the one that runs the tests.
//! It refuses to test the sandbox or the server: a list of events stands in for them.

import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, realpathSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { after, test } from 'node:test';
import { CALLBACKS, CASES, PROMISES } from './cases.mjs';
import { event, exchange } from './runtime-api.mjs';

const HERE = import.meta.dirname;
const ENTRY = resolve(HERE, '../index.mjs');
const REFERENCE = process.env.HEARTH_REFERENCE_DIR ?? resolve(HERE, '../../../.build/reference');
const RUNTIMES = { [CALLBACKS]: 'AWS_Lambda_nodejs22.x', [PROMISES]: 'AWS_Lambda_nodejs24.x' };
const CLIENTS = { [CALLBACKS]: '3.3.0', [PROMISES]: '4.0.2' };
const NODES = process.env.HEARTH_TEST_NODES?.split(':') ?? [process.execPath];

const place = mkdtempSync(join(realpathSync(tmpdir()), 'hearth-node-'));
after(() => rmSync(place, { recursive: true }));

/** The command that runs AWS's client of a generation, or null where it cannot be installed. */
function referenceCommand(generation) {
  const version = CLIENTS[generation];
  const directory = join(REFERENCE, `aws-lambda-ric-${version}`);
  if (!existsSync(directory)) {
    mkdirSync(REFERENCE, { recursive: true });
    const unfinished = mkdtempSync(join(REFERENCE, 'unfinished-'));
    // Without its scripts, that is, without its compiled part: native-client.cjs stands in for that.
    const npm = spawnSync('npm', ['install', '--ignore-scripts', '--prefix', unfinished, `aws-lambda-ric@${version}`]);
    if (npm.status !== 0) {
      rmSync(unfinished, { recursive: true });
      process.stderr.write(`NOT COMPARED with AWS's client ${version}: ${npm.stderr ?? npm.error}\n`);
      return null;
    }
    renameSync(unfinished, directory);
  }
  const client = join(directory, 'node_modules/aws-lambda-ric');
  let entry = join(client, 'index.mjs');
  if (generation === CALLBACKS) {
    entry = join(place, 'index.mjs');
    const run = 'await run(process.env.LAMBDA_TASK_ROOT, process.env._HANDLER);';
    writeFileSync(entry, `import { run } from ${JSON.stringify(join(client, 'dist/index.mjs'))};\n${run}\n`);
  }
  return ['--require', join(HERE, 'native-client.cjs'), entry];
}

/** Without what differs from run to run: times, places, and the frames of the runtimes and of Node itself. */
function normalised(text, directory) {
  return text
    .replaceAll(/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z/g, 'TIME')
    .replaceAll(`file://${directory}`, 'CODE')
    .replaceAll(directory, 'CODE')
    .replaceAll(/- \/\S*?\/index\.mjs/g, '- INDEX')
    .replaceAll(/(\\n|\r|,)?"? {4}at (?:(?!CODE)[^"\r\n\\])*(?="|\r|\n|\\|$)"?/g, '');
}

function frames(bytes, directory) {
  const found = [];
  while (bytes.length > 0) {
    const end = 16 + bytes.readUInt32BE(4);
    if (bytes[0] !== 0xa5) return [...found, bytes.toString()];
    found.push(bytes.toString('hex', 0, 4) + ' ' + normalised(bytes.toString('utf8', 16, end), directory));
    bytes = bytes.subarray(end);
  }
  return found;
}

async function run(node, entry, testCase, generation, runtime = RUNTIMES[generation]) {
  const directory = join(place, 'function');
  for (const [name, text] of Object.entries(testCase.files)) {
    mkdirSync(dirname(join(directory, name)), { recursive: true });
    writeFileSync(join(directory, name), text);
  }
  try {
    const environment = { _HANDLER: testCase.handler, AWS_EXECUTION_ENV: runtime, ...testCase.environment };
    const seen = await exchange([node, ...entry], testCase.events, environment, directory);
    const posts = seen.posts.map(({ path, headers, body, trailers }) => ({
      path,
      contentType: headers['content-type'],
      mode: headers['lambda-runtime-function-response-mode'],
      body: normalised(body, directory),
      errorType: headers['lambda-runtime-function-error-type'] ?? trailers['lambda-runtime-function-error-type'],
      errorBody: trailers['lambda-runtime-function-error-body'] &&
        normalised(Buffer.from(trailers['lambda-runtime-function-error-body'], 'base64').toString(), directory),
    }));
    const stdout = testCase.frames ? frames(seen.stdout, directory) : normalised(seen.stdout.toString(), directory);
    return { shown: { posts, stdout, status: seen.status }, stderr: seen.stderr };
  } finally {
    rmSync(directory, { recursive: true });
  }
}

function checkPost(post, wanted) {
  if (wanted.body !== undefined) assert.equal(post.body, wanted.body);
  if (wanted.contentType !== undefined) assert.equal(post.contentType, wanted.contentType);
  if (wanted.streaming) {
    assert.equal(post.mode, 'streaming');
    assert.equal(post.errorType, wanted.errorType ?? post.errorType);
    return;
  }
  if (wanted.errorType === undefined) return;
  const { errorType, errorMessage } = JSON.parse(post.body);
  assert.equal(errorType, wanted.errorType);
  if (wanted.errorMessage !== undefined) assert.equal(errorMessage, wanted.errorMessage);
  if (post.path === 'init/error') assert.equal(post.errorType, wanted.errorType);
}

for (const node of NODES) {
  const version = execFileSync(node, ['--version']).toString().trim();
  for (const generation of [CALLBACKS, PROMISES]) {
    const reference = referenceCommand(generation);
    for (const testCase of CASES.filter(({ generations }) => generations.includes(generation))) {
      test(`${testCase.name} on ${version} with ${generation}`, async () => {
        const ours = await run(node, [ENTRY], testCase, generation);
        const { posts, stdout, status } = ours.shown;
        assert.deepEqual(posts.map(({ path }) => path), testCase.posts.map(({ path }) => path), ours.stderr);
        posts.forEach((post, index) => checkPost(post, testCase.posts[index]));
        for (const piece of testCase.stdout) assert.ok(stdout.includes(piece), `${piece} is not in ${stdout}`);
        if (testCase.status !== undefined) assert.equal(status, testCase.status, ours.stderr);
        if (reference !== null) assert.deepEqual(ours.shown, (await run(node, reference, testCase, generation)).shown);
      });
    }
  }
}
