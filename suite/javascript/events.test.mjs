//! EventBridge and its Scheduler through the AWS SDK for JavaScript v3.

import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { events, eventually, scheduler, settings, sqs } from './clients.mjs';

const buses = new events.EventBridgeClient(settings());
const schedules = new scheduler.SchedulerClient(settings());
const queues = new sqs.SQSClient(settings());
after(() => { buses.destroy(); schedules.destroy(); queues.destroy(); });

/** A queue that a rule may send to. */
async function queueFor(QueueName, rule) {
  const { QueueUrl } = await queues.send(new sqs.CreateQueueCommand({ QueueName }));
  const QueueArn = `arn:aws:sqs:us-east-1:000000000000:${QueueName}`;
  const Statement = [{
    Effect: 'Allow',
    Principal: { Service: 'events.amazonaws.com' },
    Action: 'sqs:SendMessage',
    Resource: QueueArn,
    Condition: { ArnEquals: { 'aws:SourceArn': rule } },
  }];
  const Policy = JSON.stringify({ Version: '2012-10-17', Statement });
  await queues.send(new sqs.SetQueueAttributesCommand({ QueueUrl, Attributes: { Policy } }));
  return { QueueUrl, QueueArn };
}

test('an event reaches the queue of a rule, transformed', async () => {
  const [EventBusName, Name] = ['js-bus', 'js-rule'];
  await buses.send(new events.CreateEventBusCommand({ Name: EventBusName }));
  const EventPattern = JSON.stringify({ source: ['shop'], detail: { total: [{ numeric: ['>', 10] }] } });
  const { RuleArn } = await buses.send(new events.PutRuleCommand({ Name, EventBusName, EventPattern }));
  const { QueueUrl, QueueArn } = await queueFor('js-events', RuleArn);
  const InputTransformer = { InputPathsMap: { id: '$.detail.id' }, InputTemplate: '{"order": <id>}' };
  const Targets = [{ Id: 'queue', Arn: QueueArn, InputTransformer }];
  const put = await buses.send(new events.PutTargetsCommand({ Rule: Name, EventBusName, Targets }));
  assert.equal(put.FailedEntryCount, 0);
  const entry = (id, total) => ({
    EventBusName, Source: 'shop', DetailType: 'order', Detail: JSON.stringify({ id, total }), Time: new Date(),
  });
  const Entries = [entry('a', 10), entry('b', 11), { ...entry('c', 12), Detail: 'none' }];
  const answer = await buses.send(new events.PutEventsCommand({ Entries }));
  assert.equal(answer.FailedEntryCount, 1);
  assert.equal(answer.Entries[2].ErrorCode, 'MalformedDetail');
  const received = async () => {
    const asked = { QueueUrl, WaitTimeSeconds: 2, MaxNumberOfMessages: 10 };
    return (await queues.send(new sqs.ReceiveMessageCommand(asked))).Messages;
  };
  assert.deepEqual((await eventually(received)).map(({ Body }) => Body), ['{"order": "b"}']);
  await buses.send(new events.RemoveTargetsCommand({ Rule: Name, EventBusName, Ids: ['queue'] }));
  await buses.send(new events.DeleteRuleCommand({ Name, EventBusName }));
  await buses.send(new events.DeleteEventBusCommand({ Name: EventBusName }));
  await queues.send(new sqs.DeleteQueueCommand({ QueueUrl }));
});

test('errors are those that the SDKs have classes for', async () => {
  const describe = buses.send(new events.DescribeRuleCommand({ Name: 'js-none' }));
  await assert.rejects(describe, events.ResourceNotFoundException);
  const pattern = buses.send(new events.PutRuleCommand({ Name: 'js-wrong', EventPattern: '{"source": "x"}' }));
  await assert.rejects(pattern, events.InvalidEventPatternException);
  const schedule = schedules.send(new scheduler.GetScheduleCommand({ Name: 'js-none' }));
  await assert.rejects(schedule, scheduler.ResourceNotFoundException);
  const group = { Name: 'js-group' };
  await schedules.send(new scheduler.CreateScheduleGroupCommand(group));
  await assert.rejects(schedules.send(new scheduler.CreateScheduleGroupCommand(group)), scheduler.ConflictException);
  const { State, CreationDate } = await schedules.send(new scheduler.GetScheduleGroupCommand(group));
  assert.equal(State, 'ACTIVE');
  assert.ok(CreationDate instanceof Date);
  await schedules.send(new scheduler.DeleteScheduleGroupCommand(group));
});
