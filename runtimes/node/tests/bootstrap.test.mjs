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
const ENTRY = resolve(HERE, '../bootstrap.cjs');
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
    .replaceAll(/\[\d{13}\]/g, '[MILLIS]')
    .replaceAll(`file://${directory}`, 'CODE')
    .replaceAll(directory, 'CODE')
    .replaceAll(/- \/\S*?\/index\.mjs/g, '- INDEX')
    .replaceAll(/(\\n|\n|\r|,)?"? {4,}at (?:(?!CODE)[^"\r\n\\])*(?="|\r|\n|\\|$)"?/g, '');
}

function frames(bytes, directory) {
  const found = [];
  while (bytes.length > 0) {
    if (bytes[0] !== 0xa5) return [...found, bytes.toString()];
    const end = 16 + bytes.readUInt32BE(4);
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
    const seen = await exchange([node, ...entry], testCase.events, environment, directory, testCase.joins);
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
        if (!testCase.compared || reference === null) return;
        assert.deepEqual(ours.shown, (await run(node, reference, testCase, generation)).shown);
      });
    }
  }
}

for (const node of NODES) {
  const version = execFileSync(node, ['--version']).toString().trim();
  const usual = { handler: 'app.handler', events: [event()] };
  const ours = (testCase, generation = CALLBACKS) => run(node, [ENTRY], { ...usual, ...testCase }, generation);

  test(`NODE_PATH leads imports and requires to layers on ${version}`, async () => {
    const layers = mkdtempSync(join(place, 'layer-'));
    for (const name of ['common', '@scope/module']) {
      const folder = join(layers, 'node_modules', name);
      mkdirSync(folder, { recursive: true });
      writeFileSync(join(folder, 'package.json'), '{"exports":{"import":"./index.mjs","require":"./index.cjs"}}');
      writeFileSync(join(folder, 'index.mjs'), `export default "${name} imported";`);
      writeFileSync(join(folder, 'index.cjs'), `module.exports = "${name} required";`);
    }
    const environment = { NODE_PATH: `/nowhere/node_modules:${layers}/node_modules` };
    const imports = {
      'app.mjs': `import a from 'common'; import b from '@scope/module'; import c from './other.mjs';
        import { createRequire } from 'node:module';
        const late = await import('missing').catch((error) => error.code);
        export const handler = async () => [a, b, c, late, createRequire(import.meta.url)('common')];`,
      'other.mjs': `import a from 'common'; export default a;`,
    };
    const seen = await ours({ files: imports, environment });
    assert.deepEqual(JSON.parse(seen.shown.posts[0].body), [
      'common imported',
      '@scope/module imported',
      'common imported',
      'ERR_MODULE_NOT_FOUND',
      'common required',
    ]);
    const requires = {
      'app.js': `const a = require('common');
        exports.handler = async () => [a, (await import('common')).default];`,
    };
    const both = await ours({ files: requires, environment });
    assert.deepEqual(JSON.parse(both.shown.posts[0].body), ['common required', 'common imported']);
  });

  test(`the search path on ${version}`, async () => {
    const files = { 'app.mjs': 'export const handler = async () => process.env.NODE_PATH;' };
    const { shown } = await ours({ files });
    const layers = '/opt/nodejs/node22/node_modules:/opt/nodejs/node_modules';
    const path = `${layers}:/var/lang-sdk/node/node_modules:${dirname(ENTRY)}:CODE`;
    assert.equal(shown.posts[0].body, JSON.stringify(path));
  });

  test(`a missing SDK is told how to be installed on ${version}`, { skip: existsSync('/var/lang-sdk/node') }, async () => {
    const hint = /ERROR\tThe AWS SDK for JavaScript is not installed .*: run `hearth runtimes install nodejs`/;
    const early = { 'app.mjs': 'import { S3 } from "@aws-sdk/client-s3"; export const handler = async () => 1;' };
    const required = { 'app.js': 'require("@aws-sdk/client-s3"); exports.handler = async () => 1;' };
    const late = { 'app.mjs': 'export const handler = async () => import("@smithy/core");' };
    const other = { 'app.mjs': 'import "@aws-lambda/nowhere"; export const handler = async () => 1;' };
    for (const generation of [CALLBACKS, PROMISES]) {
      const logOf = async (files) => (await ours({ files }, generation)).shown.stdout;
      for (const files of [early, required, late]) assert.match(await logOf(files), hint);
      assert.doesNotMatch(await logOf(other), /hearth/);
    }
  });

  test(`a package that the installed SDK lacks is named on ${version}`, async () => {
    const sdk = mkdtempSync(join(place, 'sdk-'));
    mkdirSync(join(sdk, 'node_modules/@aws-sdk/client-lambda'), { recursive: true });
    const files = { 'app.mjs': 'import "@aws-sdk/client-rare"; export const handler = async () => 1;' };
    const seen = await ours({ files, environment: { NODE_PATH: `${sdk}/node_modules` } });
    assert.match(seen.shown.stdout, /run `hearth runtimes install nodejs --package @aws-sdk\/client-rare`/);
  });

  test(`a connection closed between events is opened again on ${version}`, async () => {
    const files = { 'app.mjs': 'export const handler = async () => 1;' };
    const closing = event('{}', { Connection: 'close' });
    const { shown } = await ours({ files, events: [closing, closing, event()] });
    assert.deepEqual(shown.posts.map(({ body }) => body), ['1', '1', '1']);
  });

  test(`an outcome is answered with the next event, or as AWS answers it, on ${version}`, async () => {
    const files = { 'app.mjs': 'export const handler = async (event) => event;' };
    for (const joins of [true, false]) {
      const { shown } = await ours({ files, joins, events: [event('0'), event('1'), event('2')] });
      assert.deepEqual(shown.posts.map(({ body }) => body), ['0', '1', '2']);
    }
  });
}
