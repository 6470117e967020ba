//! Queues as targets of rules, schedules and functions: made, opened to a rule, read, and deleted; and how a call is refused.

import assert from 'node:assert/strict';
import { eventually, settings, sqs } from './clients.mjs';

const queues = new sqs.SQSClient(settings());
const made = [];

/** A queue. */
export async function queue(QueueName) {
  const { QueueUrl } = await queues.send(new sqs.CreateQueueCommand({ QueueName }));
  made.push(QueueUrl);
  return { QueueUrl, QueueArn: `arn:aws:sqs:us-east-1:000000000000:${QueueName}` };
}

/** Lets a rule send to a queue. */
export async function letIn({ QueueUrl, QueueArn }, rule) {
  const Statement = [{
    Effect: 'Allow',
    Principal: { Service: 'events.amazonaws.com' },
    Action: 'sqs:SendMessage',
    Resource: QueueArn,
    Condition: { ArnEquals: { 'aws:SourceArn': rule } },
  }];
  const Policy = JSON.stringify({ Version: '2012-10-17', Statement });
  await queues.send(new sqs.SetQueueAttributesCommand({ QueueUrl, Attributes: { Policy } }));
}

/** So many messages of a queue, sorted by their bodies, and not one more. They are deleted. */
export async function received({ QueueUrl }, count) {
  const found = [];
  await eventually(async () => {
    const asked = { QueueUrl, WaitTimeSeconds: 2, MaxNumberOfMessages: 10, MessageAttributeNames: ['All'] };
    const { Messages = [] } = await queues.send(new sqs.ReceiveMessageCommand(asked));
    const Entries = Messages.map(({ ReceiptHandle }, index) => ({ Id: `${index}`, ReceiptHandle }));
    if (Entries.length) await queues.send(new sqs.DeleteMessageBatchCommand({ QueueUrl, Entries }));
    found.push(...Messages);
    return found.length >= count;
  });
  assert.equal(found.length, count);
  return found.sort((one, other) => (one.Body < other.Body ? -1 : 1));
}

/** The bodies of so many messages. */
export const bodies = async (target, count) => (await received(target, count)).map(({ Body }) => Body);

/** Deletes the queues and closes their client: to be called when a file's tests are over. */
export async function cleared() {
  for (const QueueUrl of made) await queues.send(new sqs.DeleteQueueCommand({ QueueUrl }));
  queues.destroy();
}

/** A call is refused with an error of a class of the SDK's, or of a name it has no class for, and with a message. */
export async function refused(call, kind, message) {
  await assert.rejects(call, (error) => {
    if (typeof kind === 'string') assert.equal(error.name, kind, error.message);
    else assert.ok(error instanceof kind && error.name === kind.name, `${error.name}: ${error.message}`);
    if (message instanceof RegExp) assert.match(error.message, message);
    else assert.equal(error.message, message);
    return true;
  });
}
