//! What tests share that have to do with queues, as all that delivers has: clients, queues to make and to read, and how a
//! refusal is checked.

import assert from 'node:assert/strict';
import { after } from 'node:test';
import { eventually, settings, sns, sqs } from './clients.mjs';

export const ACCOUNT = '000000000000';
const made = [];
after(() => made.forEach((client) => client.destroy()));

const clientOf = (Client) => (account, region) => {
  const client = new Client(settings(account, region));
  made.push(client);
  return client;
};

/** A client of SQS, which is destroyed after the tests of its file. */
export const queuesOf = clientOf(sqs.SQSClient);
/** The same of SNS. */
export const topicsOf = clientOf(sns.SNSClient);

/** Sends commands through a client: `ask(sqs.SendMessageCommand, {...})`. */
export const asker = (client) => (Command, input = {}) => client.send(new Command(input));

/**
 * Checks that a call is refused with the error that the SDK has this class for, or that has this name, and with a
 * message: each all of it as a string, or what it matches.
 */
export async function refused(call, kind, message) {
  await assert.rejects(call, (error) => {
    if (typeof kind === 'string') assert.equal(error.name, kind);
    else if (kind instanceof RegExp) assert.match(error.name, kind);
    else assert.ok(error instanceof kind && error.name === kind.name, `${error.name}, not ${kind.name}: ${error.message}`);
    if (typeof message === 'string') assert.equal(error.message, message);
    else if (message) assert.match(error.message, message);
    assert.equal(error.$fault, 'client');
    return true;
  });
}

/** Lets a service send to a queue, on behalf of one of its resources. */
export async function letIn(ask, { QueueUrl, QueueArn }, Service, source) {
  const Statement = [{
    Effect: 'Allow', Principal: { Service }, Action: 'sqs:SendMessage', Resource: QueueArn,
    Condition: { ArnEquals: { 'aws:SourceArn': source } },
  }];
  const Policy = JSON.stringify({ Version: '2012-10-17', Statement });
  await ask(sqs.SetQueueAttributesCommand, { QueueUrl, Attributes: { Policy } });
}

/** Makes queues, tells of them and empties them, through one client. */
export function keeper(client) {
  const ask = asker(client);
  const attributes = async (QueueUrl, ...AttributeNames) =>
    (await ask(sqs.GetQueueAttributesCommand, { QueueUrl, AttributeNames })).Attributes;
  return {
    ask,
    attributes,
    create: async (QueueName, Attributes = {}) => (await ask(sqs.CreateQueueCommand, { QueueName, Attributes })).QueueUrl,
    arn: async (QueueUrl) => (await attributes(QueueUrl, 'QueueArn')).QueueArn,
    /** How many messages there are to receive, being received, and not yet to receive. */
    counts: async (QueueUrl) => {
      const names = ['', 'NotVisible', 'Delayed'].map((kind) => `ApproximateNumberOfMessages${kind}`);
      const shown = await attributes(QueueUrl, ...names);
      return names.map((name) => Number(shown[name]));
    },
    receive: async (QueueUrl, more = {}) =>
      (await ask(sqs.ReceiveMessageCommand, { QueueUrl, MaxNumberOfMessages: 10, ...more })).Messages ?? [],
  };
}

/** Subscribers: queues that a topic may send to, and what came to them. */
export function subscribers(client) {
  const { ask, arn, create, receive } = keeper(client);
  return {
    /** A queue that this topic may send to: its URL and its ARN. */
    queueFor: async (TopicArn, name, attributes = {}) => {
      const QueueUrl = await create(name, attributes);
      const target = { QueueUrl, QueueArn: await arn(QueueUrl) };
      await letIn(ask, target, 'sns.amazonaws.com', TopicArn);
      return target;
    },
    /** As many messages as are expected to come, in the order in which they do; each is deleted. */
    arrived: async ({ QueueUrl }, count) => {
      const all = [];
      await eventually(async () => {
        const asked = { WaitTimeSeconds: 2, MessageAttributeNames: ['All'], MessageSystemAttributeNames: ['All'] };
        for (const message of await receive(QueueUrl, asked)) {
          await ask(sqs.DeleteMessageCommand, { QueueUrl, ReceiptHandle: message.ReceiptHandle });
          all.push(message);
        }
        return all.length >= count;
      });
      return all;
    },
    deleteQueue: ({ QueueUrl }) => ask(sqs.DeleteQueueCommand, { QueueUrl }),
  };
}
