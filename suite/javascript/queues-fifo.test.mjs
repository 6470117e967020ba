//! FIFO queues through the AWS SDK for JavaScript v3: the order of groups, and what is sent twice.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sqs } from './clients.mjs';
import { keeper, queuesOf, refused } from './messaging.mjs';

const { ask, attributes, create, counts, receive } = keeper(queuesOf());
const bodies = (messages) => messages.map(({ Body }) => Body);

test('a FIFO queue keeps the order of a group and drops duplicates', async () => {
  const QueueUrl = await create('js.fifo', { FifoQueue: 'true', ContentBasedDeduplication: 'true' });
  const Entries = ['1', '2', '2', '3'].map((MessageBody, n) => ({ Id: `e${n}`, MessageBody, MessageGroupId: 'g' }));
  const { Successful } = await ask(sqs.SendMessageBatchCommand, { QueueUrl, Entries });
  assert.equal(Successful.length, 4);
  assert.equal(Successful[1].MessageId, Successful[2].MessageId, 'a duplicate is acknowledged as the first');
  assert.equal(Successful[1].SequenceNumber, Successful[2].SequenceNumber);
  assert.ok(BigInt(Successful[3].SequenceNumber) > BigInt(Successful[0].SequenceNumber));
  const messages = await receive(QueueUrl, { MessageSystemAttributeNames: ['MessageGroupId', 'SequenceNumber'] });
  assert.deepEqual(bodies(messages), ['1', '2', '3']);
  assert.deepEqual(messages[2].Attributes, { MessageGroupId: 'g', SequenceNumber: Successful[3].SequenceNumber });
  await ask(sqs.DeleteQueueCommand, { QueueUrl });
});

test('a group waits for what is being received of it, and others do not', async () => {
  const QueueUrl = await create('js-groups.fifo', { FifoQueue: 'true' });
  const send = (MessageBody, MessageGroupId) => ask(sqs.SendMessageCommand, {
    QueueUrl, MessageBody, MessageGroupId, MessageDeduplicationId: `${MessageGroupId}${MessageBody}`,
  });
  for (const body of ['1', '2']) await send(body, 'a');
  const [first] = await receive(QueueUrl, { MaxNumberOfMessages: 1 });
  assert.equal(first.Body, '1');
  assert.deepEqual(await receive(QueueUrl), [], 'the second waits for the first');
  await send('1', 'b');
  assert.deepEqual(bodies(await receive(QueueUrl)), ['1'], 'another group does not');
  await ask(sqs.ChangeMessageVisibilityCommand, { QueueUrl, ReceiptHandle: first.ReceiptHandle, VisibilityTimeout: 0 });
  const [again] = await receive(QueueUrl, { MaxNumberOfMessages: 1 });
  assert.equal(again.MessageId, first.MessageId, 'what was given back comes before what follows it');
  await ask(sqs.DeleteMessageCommand, { QueueUrl, ReceiptHandle: again.ReceiptHandle });
  assert.deepEqual(bodies(await receive(QueueUrl)), ['2']);
  assert.deepEqual(await counts(QueueUrl), [0, 2, 0]);
  await ask(sqs.DeleteQueueCommand, { QueueUrl });
});

test('a receive that is tried again gets the same messages', async () => {
  const QueueUrl = await create('js-attempts.fifo', { FifoQueue: 'true', ContentBasedDeduplication: 'true' });
  await ask(sqs.SendMessageCommand, { QueueUrl, MessageBody: 'm', MessageGroupId: 'g' });
  const attempt = () => receive(QueueUrl, { ReceiveRequestAttemptId: 'attempt-1' });
  const [first] = await attempt();
  const [second] = await attempt();
  assert.equal(second?.MessageId, first.MessageId);
  assert.deepEqual(await receive(QueueUrl, { ReceiveRequestAttemptId: 'attempt-2' }), []);
  await ask(sqs.DeleteQueueCommand, { QueueUrl });
});

test('duplicates are told by identifier, in the queue or in the group', async () => {
  const QueueUrl = await create('js-scope.fifo', {
    FifoQueue: 'true', DeduplicationScope: 'messageGroup', FifoThroughputLimit: 'perMessageGroupId',
  });
  const send = (MessageGroupId) =>
    ask(sqs.SendMessageCommand, { QueueUrl, MessageBody: MessageGroupId, MessageGroupId, MessageDeduplicationId: 'same' });
  for (const group of ['a', 'b', 'a']) await send(group);
  assert.deepEqual(bodies(await receive(QueueUrl)).sort(), ['a', 'b']);
  const shown = await attributes(QueueUrl, 'FifoQueue', 'DeduplicationScope', 'FifoThroughputLimit');
  assert.deepEqual(shown, {
    FifoQueue: 'true', DeduplicationScope: 'messageGroup', FifoThroughputLimit: 'perMessageGroupId',
  });
  await refused(
    ask(sqs.SetQueueAttributesCommand, { QueueUrl, Attributes: { DeduplicationScope: 'queue' } }), sqs.InvalidAttributeValue,
    'The perMessageGroupId value for FifoThroughputLimit is allowed only when the value for DeduplicationScope is '
      + 'messageGroup.',
  );
  await ask(sqs.DeleteQueueCommand, { QueueUrl });
});

test('what a FIFO queue needs is asked for, and what it cannot do refused', async () => {
  await refused(create('js-plain', { FifoQueue: 'true' }), 'InvalidParameterValue', /\.fifo/);
  await refused(create('js-plain', { ContentBasedDeduplication: 'true' }), sqs.InvalidAttributeName,
    'Unknown Attribute ContentBasedDeduplication.');
  const QueueUrl = await create('js-needs.fifo', { FifoQueue: 'true' });
  const message = { QueueUrl, MessageBody: 'm', MessageGroupId: 'g', MessageDeduplicationId: 'd' };
  await refused(
    ask(sqs.SendMessageCommand, { ...message, MessageGroupId: undefined }), 'MissingParameter',
    'The request must contain the parameter MessageGroupId.',
  );
  await refused(
    ask(sqs.SendMessageCommand, { ...message, MessageDeduplicationId: undefined }), 'InvalidParameterValue',
    'The queue should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided explicitly',
  );
  await refused(
    ask(sqs.SendMessageCommand, { ...message, DelaySeconds: 1 }), 'InvalidParameterValue',
    'Value 1 for parameter DelaySeconds is invalid. Reason: The request include parameter that is not valid for this '
      + 'queue type.',
  );
  assert.deepEqual(await counts(QueueUrl), [0, 0, 0]);
  await ask(sqs.DeleteQueueCommand, { QueueUrl });
});
