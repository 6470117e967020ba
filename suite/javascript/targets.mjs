//! Queues as targets of rules, schedules and functions: made, opened to a rule, read, and deleted.

import assert from 'node:assert/strict';
import { settings, sqs } from './clients.mjs';
import { ACCOUNT, keeper, letIn as letServiceIn, subscribers } from './messaging.mjs';

const client = new sqs.SQSClient(settings());
const { ask, create } = keeper(client);
const { arrived, deleteQueue } = subscribers(client);
const made = [];

/** A queue. */
export async function queue(name) {
  const target = { QueueUrl: await create(name), QueueArn: `arn:aws:sqs:us-east-1:${ACCOUNT}:${name}` };
  made.push(target);
  return target;
}

/** Lets a rule send to a queue. */
export const letIn = (target, rule) => letServiceIn(ask, target, 'events.amazonaws.com', rule);

/** So many messages of a queue, sorted by their bodies, and not one more. They are deleted. */
export async function received(target, count) {
  const found = await arrived(target, count);
  assert.equal(found.length, count);
  return found.sort((one, other) => (one.Body < other.Body ? -1 : 1));
}

/** The bodies of so many messages. */
export const bodies = async (target, count) => (await received(target, count)).map(({ Body }) => Body);

/** Deletes the queues and closes their client: to be called when a file's tests are over. */
export async function cleared() {
  for (const target of made) await deleteQueue(target);
  client.destroy();
}
