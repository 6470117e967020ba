//! Asynchronous invocation through the AWS SDK for JavaScript v3: events, the older InvokeAsync, how often and for how long
//! they are tried, and where their outcomes go.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { lambda, settings, zipOf } from './clients.mjs';
import { refused } from './messaging.mjs';
import { roleFor } from './roles.mjs';
import { bodies, cleared, queue } from './targets.mjs';

const ARNS = 'arn:aws:lambda:us-east-1:000000000000:function';
const SOURCE = `
export const handler = async (event) => {
  if (event.fails) throw new RangeError(event.fails);
  return { doubled: event.n * 2 };
};
`;
const client = new lambda.LambdaClient(settings());
const made = new Set();
let Role;
before(async () => { Role = await roleFor('lambda.amazonaws.com', 'js-asynchronous', ['sqs:SendMessage', 'logs:*']); });
after(async () => {
  for (const FunctionName of made) await client.send(new lambda.DeleteFunctionCommand({ FunctionName }));
  await cleared();
  client.destroy();
});

/** A function with version 1 and the alias `live`. */
async function create(FunctionName) {
  const Code = { ZipFile: zipOf({ 'index.mjs': SOURCE }) };
  const Runtime = 'nodejs22.x';
  await client.send(new lambda.CreateFunctionCommand({ FunctionName, Runtime, Handler: 'index.handler', Role, Code, Publish: true }));
  made.add(FunctionName);
  await lambda.waitUntilFunctionActiveV2({ client, maxWaitTime: 60, minDelay: 1, maxDelay: 1 }, { FunctionName });
  await client.send(new lambda.CreateAliasCommand({ FunctionName, Name: 'live', FunctionVersion: '1' }));
}

const put = (input) => client.send(new lambda.PutFunctionEventInvokeConfigCommand(input));
const update = (input) => client.send(new lambda.UpdateFunctionEventInvokeConfigCommand(input));
const get = (input) => client.send(new lambda.GetFunctionEventInvokeConfigCommand(input));
const remove = (input) => client.send(new lambda.DeleteFunctionEventInvokeConfigCommand(input));
const invoke = (FunctionName, event, more = {}) => client.send(new lambda.InvokeCommand({
  FunctionName, InvocationType: 'Event', Payload: typeof event === 'string' ? event : JSON.stringify(event), ...more,
}));
const invokeAsync = (FunctionName, event) => client.send(new lambda.InvokeAsyncCommand({
  FunctionName, InvokeArgs: typeof event === 'string' ? event : JSON.stringify(event),
}));

test('an event is accepted before it runs, and its outcome is told', async () => {
  const FunctionName = 'js-event';
  await create(FunctionName);
  const [done, failed] = [await queue('js-event-done'), await queue('js-event-failed')];
  const DestinationConfig = { OnSuccess: { Destination: done.QueueArn }, OnFailure: { Destination: failed.QueueArn } };
  await put({ FunctionName, MaximumRetryAttempts: 0, DestinationConfig });
  await put({ FunctionName, Qualifier: 'live', DestinationConfig: { OnSuccess: DestinationConfig.OnSuccess } });
  const accepted = await invoke(FunctionName, { n: 21 });
  assert.deepEqual([accepted.StatusCode, accepted.Payload?.length ?? 0, accepted.FunctionError], [202, 0, undefined]);
  const [success] = (await bodies(done, 1)).map((body) => JSON.parse(body));
  assert.deepEqual([success.requestPayload, success.responsePayload], [{ n: 21 }, { doubled: 42 }]);
  assert.deepEqual(success.requestContext, {
    requestId: accepted.$metadata.requestId,
    functionArn: `${ARNS}:${FunctionName}:$LATEST`,
    condition: 'Success',
    approximateInvokeCount: 1,
  });
  const failing = await invoke(FunctionName, { fails: 'not today' });
  assert.deepEqual([failing.StatusCode, failing.FunctionError], [202, undefined]);
  const [failure] = (await bodies(failed, 1)).map((body) => JSON.parse(body));
  assert.deepEqual([failure.requestContext.condition, failure.requestContext.approximateInvokeCount], ['RetriesExhausted', 1]);
  assert.equal(failure.requestContext.requestId, failing.$metadata.requestId);
  assert.deepEqual(failure.responseContext, { statusCode: 200, executedVersion: '$LATEST', functionError: 'Unhandled' });
  assert.deepEqual([failure.responsePayload.errorType, failure.responsePayload.errorMessage], ['RangeError', 'not today']);
  // A qualifier has a configuration of its own.
  await invoke(FunctionName, { n: 2 }, { Qualifier: 'live' });
  const [live] = (await bodies(done, 1)).map((body) => JSON.parse(body));
  assert.equal(live.requestContext.functionArn, `${ARNS}:${FunctionName}:live`);
  assert.deepEqual([live.responseContext, live.responsePayload], [{ statusCode: 200, executedVersion: '1' }, { doubled: 4 }]);
  // The older operation sends an event too.
  const older = await invokeAsync(FunctionName, { n: 5 });
  assert.equal(older.Status, 202);
  const [old] = (await bodies(done, 1)).map((body) => JSON.parse(body));
  assert.deepEqual([old.requestPayload, old.responsePayload], [{ n: 5 }, { doubled: 10 }]);
});

test('what cannot be an event is refused', async () => {
  const FunctionName = 'js-no-event';
  await create(FunctionName);
  const nobody = `Function not found: ${ARNS}:js-none`;
  await refused(invoke('js-none', {}), lambda.ResourceNotFoundException, nobody);
  await refused(invokeAsync('js-none', {}), lambda.ResourceNotFoundException, nobody);
  await refused(invoke(FunctionName, 'no json'), lambda.InvalidRequestContentException, /^Could not parse request body into json/);
  await refused(invokeAsync(FunctionName, 'no json'), lambda.InvalidRequestContentException, /^Could not parse request body into json/);
  const large = JSON.stringify('x'.repeat(1_048_576));
  await refused(invoke(FunctionName, large), lambda.RequestTooLargeException, /1048576/);
});

test('the life of a configuration of asynchronous invocation', async () => {
  const FunctionName = 'js-event-config';
  await create(FunctionName);
  const { QueueArn } = await queue('js-event-config');
  for (const Qualifier of [undefined, '1', 'live']) {
    const of = { FunctionName, Qualifier };
    const FunctionArn = `${ARNS}:${FunctionName}:${Qualifier ?? '$LATEST'}`;
    const missing = `The function ${FunctionArn} doesn't have an EventInvokeConfig`;
    await refused(get(of), lambda.ResourceNotFoundException, missing);
    await refused(update({ ...of, MaximumRetryAttempts: 0 }), lambda.ResourceNotFoundException, missing);
    await refused(remove(of), lambda.ResourceNotFoundException, missing);
    const shown = ({ $metadata, LastModified, ...rest }) => { assert.ok(LastModified instanceof Date); return rest; };
    const nowhere = { OnSuccess: {}, OnFailure: {} };
    assert.deepEqual(shown(await put({ ...of, MaximumRetryAttempts: 0 })), {
      FunctionArn, MaximumRetryAttempts: 0, DestinationConfig: nowhere,
    });
    // An update changes what it names.
    const OnFailure = { Destination: QueueArn };
    const updated = shown(await update({ ...of, MaximumEventAgeInSeconds: 60, DestinationConfig: { OnFailure } }));
    assert.deepEqual(updated, {
      FunctionArn, MaximumRetryAttempts: 0, MaximumEventAgeInSeconds: 60, DestinationConfig: { OnSuccess: {}, OnFailure },
    });
    assert.deepEqual(shown(await get(of)), updated);
    // And putting it says all of it anew.
    await put({ ...of, MaximumEventAgeInSeconds: 21600 });
    assert.deepEqual(shown(await get(of)), { FunctionArn, MaximumEventAgeInSeconds: 21600, DestinationConfig: nowhere });
    assert.equal((await remove(of)).$metadata.httpStatusCode, 204);
    await refused(get(of), lambda.ResourceNotFoundException, missing);
  }
});

test('configurations are listed in pages, and refused where they cannot be', async () => {
  const FunctionName = 'js-event-configs';
  await create(FunctionName);
  for (const Qualifier of ['live', '1', '$LATEST']) await put({ FunctionName, Qualifier, MaximumRetryAttempts: 1 });
  const pages = [];
  for await (const page of lambda.paginateListFunctionEventInvokeConfigs({ client, pageSize: 2 }, { FunctionName })) {
    pages.push(page.FunctionEventInvokeConfigs.map((it) => it.FunctionArn.split(':').at(-1)));
  }
  assert.deepEqual(pages, [['$LATEST', '1'], ['live']]);
  await client.send(new lambda.DeleteAliasCommand({ FunctionName, Name: 'live' }));
  const list = (name) => client.send(new lambda.ListFunctionEventInvokeConfigsCommand({ FunctionName: name }));
  const { FunctionEventInvokeConfigs } = await list(FunctionName);
  assert.equal(FunctionEventInvokeConfigs.length, 2, 'that of an alias goes with it');
  const nobody = "The function doesn't exist.";
  await refused(list('js-none'), lambda.ResourceNotFoundException, nobody);
  await refused(put({ FunctionName: 'js-none', MaximumRetryAttempts: 1 }), lambda.ResourceNotFoundException, nobody);
  await refused(put({ FunctionName, Qualifier: '9', MaximumRetryAttempts: 1 }), lambda.ResourceNotFoundException, nobody);
  const to = (Destination) => put({ FunctionName, DestinationConfig: { OnFailure: { Destination } } });
  const nothing = 'You must specify at least one of error handling or destination setting.';
  await refused(put({ FunctionName }), lambda.InvalidParameterValueException, nothing);
  const itself = "You can't specify the function as a destination for itself.";
  await refused(to(`${ARNS}:${FunctionName}`), lambda.InvalidParameterValueException, itself);
  await refused(to('arn:aws:sqs:us-east-1:000000000000:q.fifo'), lambda.InvalidParameterValueException, /FIFO/);
  const bounds = 'Member must have value less than or equal to 2';
  await refused(put({ FunctionName, MaximumRetryAttempts: 3 }), 'ValidationException', new RegExp(bounds));
  const left = await get({ FunctionName });
  assert.equal(left.MaximumRetryAttempts, 1, 'what is refused changes nothing');
});
