//! Dead-letter queues through the AWS SDK for JavaScript v3: how messages come there, and how they are moved away.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { eventually, sqs } from './clients.mjs';
import { keeper, queuesOf, refused } from './messaging.mjs';

const client = queuesOf();
const { ask, attributes, create, arn, counts, receive } = keeper(client);
const redrive = (deadLetterTargetArn, maxReceiveCount = 1) =>
  ({ RedrivePolicy: JSON.stringify({ deadLetterTargetArn, maxReceiveCount }) });
const latest = async (SourceArn) => (await ask(sqs.ListMessageMoveTasksCommand, { SourceArn })).Results?.[0];

/** A dead-letter queue and a source of it, with messages that were received once too often. */
async function deadLetters(name, count) {
  const dead = await create(`${name}-dead`);
  const source = await create(`${name}-source`, { ...redrive(await arn(dead)), VisibilityTimeout: '0' });
  for (let sent = 0; sent < count; sent += 10) {
    const some = Array.from({ length: Math.min(10, count - sent) }, (_, n) => `${sent + n}`);
    const Entries = some.map((Id) => ({ Id, MessageBody: `poison ${Id}` }));
    assert.equal((await ask(sqs.SendMessageBatchCommand, { QueueUrl: source, Entries })).Failed, undefined);
  }
  await eventually(async () => {
    await receive(source);
    return (await counts(dead))[0] === count;
  });
  return { dead, source, SourceArn: await arn(dead) };
}

const remove = async (...urls) => {
  for (const QueueUrl of urls) await ask(sqs.DeleteQueueCommand, { QueueUrl });
};

test('what was received too often is a dead letter, and is moved back', async () => {
  const { dead, source, SourceArn } = await deadLetters('js-back', 3);
  assert.deepEqual(await counts(source), [0, 0, 0]);
  assert.equal(await latest(SourceArn), undefined);
  const { TaskHandle } = await ask(sqs.StartMessageMoveTaskCommand, { SourceArn });
  assert.ok(TaskHandle);
  const done = await eventually(async () => {
    const task = await latest(SourceArn);
    return task.Status === 'COMPLETED' && task;
  });
  assert.equal(done.SourceArn, SourceArn);
  assert.equal(done.DestinationArn, undefined);
  assert.equal(done.TaskHandle, undefined, 'only a task that runs has a handle');
  assert.deepEqual([done.ApproximateNumberOfMessagesMoved, done.ApproximateNumberOfMessagesToMove], [3, 3]);
  assert.ok(Math.abs(done.StartedTimestamp - Date.now()) < 60_000, done.StartedTimestamp);
  const messages = await receive(source, { VisibilityTimeout: 60 });
  assert.deepEqual(messages.map(({ Body }) => Body).sort(), ['poison 0', 'poison 1', 'poison 2']);
  assert.deepEqual(await counts(dead), [0, 0, 0]);
  await refused(ask(sqs.CancelMessageMoveTaskCommand, { TaskHandle }), sqs.ResourceNotFoundException);
  await remove(source, dead);
});

test('a dead letter tells where it comes from', async () => {
  const { dead, source } = await deadLetters('js-origin', 1);
  const [letter] = await receive(dead, { MessageSystemAttributeNames: ['DeadLetterQueueSourceArn'] });
  assert.deepEqual(letter.Attributes, { DeadLetterQueueSourceArn: await arn(source) });
  await remove(source, dead);
});

test('a slow task runs alone, moves to where it is told, and is cancelled', async () => {
  const { dead, source, SourceArn } = await deadLetters('js-slow', 30);
  const other = await create('js-slow-other');
  const asked = { SourceArn, DestinationArn: await arn(other), MaxNumberOfMessagesPerSecond: 1 };
  const { TaskHandle } = await ask(sqs.StartMessageMoveTaskCommand, asked);
  const running = await latest(SourceArn);
  assert.deepEqual(
    [running.Status, running.TaskHandle, running.DestinationArn, running.MaxNumberOfMessagesPerSecond],
    ['RUNNING', TaskHandle, asked.DestinationArn, 1],
  );
  await refused(ask(sqs.StartMessageMoveTaskCommand, asked), 'InvalidParameterValue', /There is already a task running/);
  const [moved] = await receive(other, { WaitTimeSeconds: 20 });
  assert.match(moved.Body, /^poison \d+$/);
  const cancelled = await ask(sqs.CancelMessageMoveTaskCommand, { TaskHandle });
  assert.ok(cancelled.ApproximateNumberOfMessagesMoved >= 1, `${cancelled.ApproximateNumberOfMessagesMoved}`);
  const task = await eventually(async () => {
    const shown = await latest(SourceArn);
    return shown.Status === 'CANCELLED' && shown;
  });
  assert.equal(task.TaskHandle, undefined);
  const [left] = await counts(dead);
  const [ready, inFlight] = await counts(other);
  assert.ok(left > 0, 'it was cancelled under way');
  assert.equal(left + ready + inFlight, 30, 'no message is lost or doubled');
  assert.equal(task.ApproximateNumberOfMessagesMoved, 30 - left);
  assert.deepEqual(await counts(source), [0, 0, 0]);
  await ask(sqs.StartMessageMoveTaskCommand, { SourceArn, DestinationArn: asked.DestinationArn });
  await eventually(async () => (await counts(dead))[0] === 0);
  const { Results } = await ask(sqs.ListMessageMoveTasksCommand, { SourceArn, MaxResults: 10 });
  assert.equal(Results.length, 2);
  assert.equal(Results[1].Status, 'CANCELLED', 'the newest is the first');
  await remove(source, dead, other);
});

test('tasks that cannot be are refused', async () => {
  const { dead, source, SourceArn } = await deadLetters('js-refused', 0);
  const start = (more) => ask(sqs.StartMessageMoveTaskCommand, { SourceArn, ...more });
  await refused(
    start({ SourceArn: await arn(source) }), 'InvalidParameterValue',
    'Source queue must be configured as a Dead Letter Queue.',
  );
  await refused(start({ DestinationArn: SourceArn }), 'InvalidParameterValue', /cannot be the same/);
  await refused(
    start({ MaxNumberOfMessagesPerSecond: 501 }), 'InvalidParameterValue',
    /^Value 501 for parameter MaxNumberOfMessagesPerSecond is invalid\./,
  );
  const gone = { SourceArn: `${SourceArn}-none` };
  const missing = "The resource that you specified for the SourceArn parameter doesn't exist.";
  await refused(start(gone), sqs.ResourceNotFoundException, missing);
  await refused(ask(sqs.ListMessageMoveTasksCommand, gone), sqs.ResourceNotFoundException, missing);
  await refused(start({ DestinationArn: gone.SourceArn }), sqs.ResourceNotFoundException);
  await refused(ask(sqs.ListMessageMoveTasksCommand, { SourceArn, MaxResults: 11 }), 'InvalidParameterValue', /MaxResults/);
  await refused(ask(sqs.CancelMessageMoveTaskCommand, { TaskHandle: 'x' }), 'InvalidParameterValue', /TaskHandle/);
  assert.equal(await latest(SourceArn), undefined, 'none of them began');
  await remove(source, dead);
});

test('the sources of a dead-letter queue are listed page by page', async () => {
  const dead = await create('js-sources-dead');
  const asked = { QueueUrl: dead };
  assert.deepEqual((await ask(sqs.ListDeadLetterSourceQueuesCommand, asked)).queueUrls, []);
  const sources = [];
  for (const name of ['a', 'b', 'c']) sources.push(await create(`js-sources-${name}`, redrive(await arn(dead), 5)));
  const pages = [];
  // A paginator writes into what it is given.
  for await (const page of sqs.paginateListDeadLetterSourceQueues({ client, pageSize: 2 }, { ...asked })) {
    pages.push(page.queueUrls);
  }
  assert.deepEqual(pages, [sources.slice(0, 2), sources.slice(2)]);
  await ask(sqs.SetQueueAttributesCommand, { QueueUrl: sources[1], Attributes: { RedrivePolicy: '' } });
  assert.equal((await attributes(sources[1], 'All')).RedrivePolicy, undefined);
  assert.deepEqual((await ask(sqs.ListDeadLetterSourceQueuesCommand, asked)).queueUrls, [sources[0], sources[2]]);
  await remove(...sources, dead);
});

test('a dead-letter queue chooses its sources', async () => {
  const dead = await create('js-choosy-dead', { RedriveAllowPolicy: '{"redrivePermission":"denyAll"}' });
  const target = await arn(dead);
  const source = await create('js-choosy-source');
  const set = (Attributes, QueueUrl = source) => ask(sqs.SetQueueAttributesCommand, { QueueUrl, Attributes });
  await refused(set(redrive(target)), 'InvalidParameterValue', /RedrivePolicy is invalid\. Reason: .*does not allow/);
  await refused(
    set(redrive(`${target}-none`)), 'InvalidParameterValue',
    /RedrivePolicy is invalid\. Reason: Dead letter target does not exist\.$/,
  );
  await refused(set(redrive(target, 1001)), 'InvalidParameterValue', /Invalid value for maxReceiveCount: 1001/);
  const allow = { redrivePermission: 'byQueue', sourceQueueArns: [await arn(source)] };
  await set({ RedriveAllowPolicy: JSON.stringify(allow) }, dead);
  assert.deepEqual(JSON.parse((await attributes(dead, 'RedriveAllowPolicy')).RedriveAllowPolicy), allow);
  await set(redrive(target));
  await refused(create('js-choosy-stranger', redrive(target)), 'InvalidParameterValue', /does not allow/);
  await refused(create('js-choosy.fifo', { FifoQueue: 'true', ...redrive(target) }), 'InvalidParameterValue', /same type/);
  await remove(source, dead);
});
