//! Functions through the AWS SDK for JavaScript v3: created, awaited, invoked, updated, listed, deleted, and refused.

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { after, test } from 'node:test';
import { eventually, lambda, logs, settings, sts, zipOf } from './clients.mjs';

const client = new lambda.LambdaClient(settings());
const ROLE = 'arn:aws:iam::000000000000:role/suite';
const SOURCE = `
export const handler = async (event, context) => {
  console.log('asked for', event.name);
  if (event.name === 'nobody') throw new RangeError('nobody is here');
  return { greeting: process.env.GREETING + ' ' + event.name, client: context.clientContext?.custom ?? null };
};
`;
const made = new Set();
after(async () => {
  for (const FunctionName of made) await client.send(new lambda.DeleteFunctionCommand({ FunctionName }));
  client.destroy();
});

/** Waits with the SDK's own waiter. */
const awaited = (wait, FunctionName) => wait({ client, maxWaitTime: 60, minDelay: 1, maxDelay: 1 }, { FunctionName });

async function create(FunctionName, source = SOURCE) {
  const ZipFile = zipOf({ 'index.mjs': source });
  const created = await client.send(new lambda.CreateFunctionCommand({
    FunctionName,
    Runtime: 'nodejs22.x',
    Handler: 'index.handler',
    Role: ROLE,
    Code: { ZipFile },
    Environment: { Variables: { GREETING: 'Hello' } },
  }));
  made.add(FunctionName);
  assert.equal(created.CodeSha256, createHash('sha256').update(ZipFile).digest('base64'));
  assert.equal(created.State, 'Pending');
  await awaited(lambda.waitUntilFunctionActiveV2, FunctionName);
}

async function invoke(FunctionName, event, options = {}) {
  const answer = await client.send(new lambda.InvokeCommand({
    FunctionName, Payload: JSON.stringify(event), LogType: 'Tail', ...options,
  }));
  const log = Buffer.from(answer.LogResult ?? '', 'base64').toString();
  return { ...answer, log, value: answer.Payload.length ? JSON.parse(Buffer.from(answer.Payload)) : undefined };
}

test('a function is created, awaited and invoked', async () => {
  await create('js-main');
  const custom = { colour: 'blue' };
  const ClientContext = Buffer.from(JSON.stringify({ custom })).toString('base64');
  const answer = await invoke('js-main', { name: 'Ada' }, { ClientContext });
  assert.equal(answer.StatusCode, 200);
  assert.equal(answer.FunctionError, undefined);
  assert.equal(answer.ExecutedVersion, '$LATEST');
  assert.equal(answer.value.greeting, 'Hello Ada');
  assert.match(answer.log, /^START RequestId: .*asked for Ada\n.*REPORT RequestId: /s);
});

test('a dry run runs nothing', async () => {
  await create('js-dry');
  const answer = await client.send(new lambda.InvokeCommand({ FunctionName: 'js-dry', InvocationType: 'DryRun' }));
  assert.equal(answer.StatusCode, 204);
});

test('a streamed response comes while the function writes it', async () => {
  await create('js-stream', `
export const handler = awslambda.streamifyResponse(async (event, stream) => {
  for (const word of event.words) {
    stream.write(word);
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  if (event.throws) throw new RangeError('amid it');
  stream.end();
});`);
  for (const throws of [false, true]) {
    const { EventStream, ExecutedVersion } = await client.send(new lambda.InvokeWithResponseStreamCommand({
      FunctionName: 'js-stream', Payload: JSON.stringify({ words: ['one', 'two'], throws }), LogType: 'Tail',
    }));
    assert.equal(ExecutedVersion, '$LATEST');
    const [words, times] = [[], []];
    let complete;
    for await (const { PayloadChunk, InvokeComplete } of EventStream) {
      if (PayloadChunk) {
        words.push(Buffer.from(PayloadChunk.Payload).toString());
        times.push(Date.now());
      }
      complete = InvokeComplete;
    }
    assert.deepEqual(words, ['one', 'two']);
    assert.ok(times[1] - times[0] > 100);
    assert.match(Buffer.from(complete.LogResult, 'base64').toString(), /^START RequestId: /);
    assert.equal(complete.ErrorCode, throws ? 'RangeError' : undefined);
    if (throws) assert.equal(JSON.parse(complete.ErrorDetails).errorMessage, 'amid it');
  }
});

test('errors of a function come as JavaScript has them', async () => {
  await create('js-errors');
  const answer = await invoke('js-errors', { name: 'nobody' });
  assert.equal(answer.FunctionError, 'Unhandled');
  assert.equal(answer.value.errorType, 'RangeError');
  assert.equal(answer.value.errorMessage, 'nobody is here');
  assert.ok(Array.isArray(answer.value.trace));
});

test('code and configuration are updated', async () => {
  await create('js-update');
  const FunctionName = 'js-update';
  await client.send(new lambda.UpdateFunctionCodeCommand({
    FunctionName, ZipFile: zipOf({ 'index.mjs': SOURCE.replace('asked for', 'now asked for') }),
  }));
  await awaited(lambda.waitUntilFunctionUpdatedV2, FunctionName);
  await client.send(new lambda.UpdateFunctionConfigurationCommand({
    FunctionName, Environment: { Variables: { GREETING: 'Bonjour' } },
  }));
  await awaited(lambda.waitUntilFunctionUpdatedV2, FunctionName);
  const answer = await invoke(FunctionName, { name: 'Ada' });
  assert.equal(answer.value.greeting, 'Bonjour Ada');
  assert.match(answer.log, /now asked for Ada/);
});

test('an alias moves from one version to the next, and both by weight', async () => {
  await create('js-alias', `export const handler = async (event, context) => 'one ' + context.invokedFunctionArn;`);
  const FunctionName = 'js-alias';
  const publish = async () => (await client.send(new lambda.PublishVersionCommand({ FunctionName }))).Version;
  assert.equal(await publish(), '1');
  await client.send(new lambda.UpdateFunctionCodeCommand({
    FunctionName, ZipFile: zipOf({ 'index.mjs': `export const handler = async () => 'two';` }),
  }));
  await awaited(lambda.waitUntilFunctionUpdatedV2, FunctionName);
  assert.equal(await publish(), '2');
  const alias = { FunctionName, Name: 'live' };
  const created = await client.send(new lambda.CreateAliasCommand({ ...alias, FunctionVersion: '1' }));
  const first = await invoke(FunctionName, {}, { Qualifier: 'live' });
  assert.deepEqual([first.ExecutedVersion, first.value], ['1', `one ${created.AliasArn}`]);
  const RoutingConfig = { AdditionalVersionWeights: { 2: 1 } };
  await client.send(new lambda.UpdateAliasCommand({ ...alias, RoutingConfig, RevisionId: created.RevisionId }));
  const second = await invoke(FunctionName, {}, { Qualifier: 'live' });
  assert.deepEqual([second.ExecutedVersion, second.value], ['2', 'two']);
  assert.deepEqual((await client.send(new lambda.GetAliasCommand(alias))).RoutingConfig, RoutingConfig);
  const remove = new lambda.DeleteFunctionCommand({ FunctionName, Qualifier: '2' });
  await assert.rejects(client.send(remove), lambda.ResourceConflictException);
  await client.send(new lambda.DeleteAliasCommand(alias));
  await assert.rejects(client.send(new lambda.GetAliasCommand(alias)), lambda.ResourceNotFoundException);
});

test('the pages of a list hold every function once', async () => {
  const names = ['js-page-1', 'js-page-2', 'js-page-3'];
  await Promise.all(names.map((name) => create(name)));
  const found = [];
  for await (const page of lambda.paginateListFunctions({ client, pageSize: 2 }, {})) {
    assert.ok(page.Functions.length <= 2);
    found.push(...page.Functions.map((each) => each.FunctionName));
  }
  assert.equal(new Set(found).size, found.length);
  assert.deepEqual(names.filter((name) => !found.includes(name)), []);
});

test('what is absent, there already or out of bounds is an error of its own class', async () => {
  const missing = new lambda.GetFunctionCommand({ FunctionName: 'js-nowhere' });
  await assert.rejects(client.send(missing), (error) => {
    assert.ok(error instanceof lambda.ResourceNotFoundException);
    assert.match(error.message, /^Function not found: arn:aws:lambda:us-east-1:000000000000:function:js-nowhere/);
    assert.equal(error.$metadata.httpStatusCode, 404);
    assert.ok(error.$metadata.requestId);
    return true;
  });
  await create('js-twice');
  await assert.rejects(create('js-twice'), lambda.ResourceConflictException);
  const bounds = new lambda.UpdateFunctionConfigurationCommand({ FunctionName: 'js-twice', Timeout: 0 });
  await assert.rejects(client.send(bounds), { name: 'ValidationException' });
});

test('an account sees its own functions only', async () => {
  await create('js-mine');
  const other = new lambda.LambdaClient(settings('111122223333'));
  const { Functions } = await other.send(new lambda.ListFunctionsCommand({}));
  assert.deepEqual(Functions, []);
  const identity = await new sts.STSClient(settings('111122223333')).send(new sts.GetCallerIdentityCommand({}));
  assert.equal(identity.Account, '111122223333');
});

test('logs are found, and their pages can be walked', async () => {
  await create('js-logs');
  for (const name of ['one', 'two', 'three']) await invoke('js-logs', { name });
  const client = new logs.CloudWatchLogsClient(settings());
  const logGroupName = '/aws/lambda/js-logs';
  const lines = async () => {
    const found = [];
    const pages = logs.paginateFilterLogEvents({ client, pageSize: 2 }, { logGroupName, filterPattern: 'asked' });
    for await (const page of pages) found.push(...page.events.map((event) => event.message));
    return found;
  };
  const isGroup = async () => (await client.send(new logs.DescribeLogGroupsCommand({ logGroupNamePrefix: logGroupName }))).logGroups.length;
  await eventually(isGroup);
  const found = await eventually(async () => ((await lines()).length === 3 ? lines() : null));
  assert.deepEqual(found.map((line) => line.trim().split(' ').at(-1)), ['one', 'two', 'three']);
});
