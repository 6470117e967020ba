//! SQS through the AWS SDK for JavaScript v3, which checks the digests of bodies itself.

import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { settings, sqs } from './clients.mjs';

const client = new sqs.SQSClient(settings());
after(() => client.destroy());

const create = async (QueueName, Attributes = {}) =>
  (await client.send(new sqs.CreateQueueCommand({ QueueName, Attributes }))).QueueUrl;

test('messages are sent, received and deleted', async () => {
  const QueueUrl = await create('js-standard');
  const MessageAttributes = { colour: { DataType: 'String', StringValue: 'blue' } };
  const sent = await client.send(new sqs.SendMessageCommand({ QueueUrl, MessageBody: 'hello', MessageAttributes }));
  const { Messages } = await client.send(new sqs.ReceiveMessageCommand({
    QueueUrl, WaitTimeSeconds: 5, MessageAttributeNames: ['All'], MessageSystemAttributeNames: ['All'],
  }));
  assert.equal(Messages[0].MessageId, sent.MessageId);
  assert.equal(Messages[0].Body, 'hello');
  assert.equal(Messages[0].MessageAttributes.colour.StringValue, 'blue');
  assert.equal(Messages[0].Attributes.ApproximateReceiveCount, '1');
  const { ReceiptHandle } = Messages[0];
  await client.send(new sqs.DeleteMessageCommand({ QueueUrl, ReceiptHandle }));
  await client.send(new sqs.DeleteQueueCommand({ QueueUrl }));
});

test('a FIFO queue keeps the order of a group and drops duplicates', async () => {
  const QueueUrl = await create('js.fifo', { FifoQueue: 'true', ContentBasedDeduplication: 'true' });
  const Entries = ['1', '2', '2', '3'].map((MessageBody, n) => ({ Id: `e${n}`, MessageBody, MessageGroupId: 'g' }));
  const { Successful } = await client.send(new sqs.SendMessageBatchCommand({ QueueUrl, Entries }));
  assert.equal(Successful.length, 4);
  const { Messages } = await client.send(new sqs.ReceiveMessageCommand({ QueueUrl, MaxNumberOfMessages: 10 }));
  assert.deepEqual(Messages.map((message) => message.Body), ['1', '2', '3']);
  await client.send(new sqs.DeleteQueueCommand({ QueueUrl }));
});

test('errors are those that the SDK has classes for', async () => {
  const QueueName = 'js-none';
  await assert.rejects(client.send(new sqs.GetQueueUrlCommand({ QueueName })), sqs.QueueDoesNotExist);
});
