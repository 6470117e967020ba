//! EventBridge Scheduler through the AWS SDK for JavaScript v3: schedules and their groups, and what they invoke.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { eventually, scheduler, settings } from './clients.mjs';
import { refused } from './messaging.mjs';
import { roleFor } from './roles.mjs';
import { bodies, cleared, queue, received } from './targets.mjs';

const ARNS = 'arn:aws:scheduler:us-east-1:000000000000';
const FlexibleTimeWindow = { Mode: 'OFF' };
const client = new scheduler.SchedulerClient(settings());
let RoleArn;
before(async () => { RoleArn = await roleFor('scheduler.amazonaws.com', 'js-scheduler', ['sqs:SendMessage']); });
after(async () => { await cleared(); client.destroy(); });

/** What a schedule is asked to be when nothing is said. */
const asked = (Name, Arn, more = {}) => ({
  Name, ScheduleExpression: 'rate(1 day)', FlexibleTimeWindow, Target: { Arn, RoleArn, Input: Name }, ...more,
});
const create = (...given) => client.send(new scheduler.CreateScheduleCommand(asked(...given)));
const update = (...given) => client.send(new scheduler.UpdateScheduleCommand(asked(...given)));
const get = (Name, GroupName) => client.send(new scheduler.GetScheduleCommand({ Name, GroupName }));
const remove = (Name, more = {}) => client.send(new scheduler.DeleteScheduleCommand({ Name, ...more }));
const createGroup = (Name, more = {}) => client.send(new scheduler.CreateScheduleGroupCommand({ Name, ...more }));
const getGroup = (Name) => client.send(new scheduler.GetScheduleGroupCommand({ Name }));
const deleteGroup = (Name) => client.send(new scheduler.DeleteScheduleGroupCommand({ Name }));

/** Whether a call finds nothing. */
const absent = (call) => call.then(() => false, (error) => {
  if (error instanceof scheduler.ResourceNotFoundException) return true;
  throw error;
});

/** The members of every page of a list, each of one at most. */
async function listed(paginate, member, input) {
  const found = [];
  for await (const page of paginate({ client, pageSize: 1 }, input)) {
    assert.ok(page[member].length <= 1);
    found.push(...page[member]);
  }
  return found;
}

test('the life of a schedule', async () => {
  const [name, { QueueArn }] = ['js-life-of-a-schedule', await queue('js-life-of-a-schedule')];
  const given = {
    ScheduleExpression: 'cron(0 9 ? * MON-FRI *)',
    ScheduleExpressionTimezone: 'Europe/Berlin',
    FlexibleTimeWindow: { Mode: 'FLEXIBLE', MaximumWindowInMinutes: 15 },
    Description: 'every working day',
    State: 'DISABLED',
  };
  const ClientToken = 'js-once';
  const { ScheduleArn } = await create(name, QueueArn, { ...given, ClientToken });
  assert.equal(ScheduleArn, `${ARNS}:schedule/default/${name}`);
  // The same request once more is the same schedule, another one of the name is none.
  assert.equal((await create(name, QueueArn, { ...given, ClientToken })).ScheduleArn, ScheduleArn);
  await refused(create(name, QueueArn, given), scheduler.ConflictException, `Schedule ${name} already exists.`);
  const made = await get(name);
  assert.deepEqual(Object.fromEntries(Object.keys(given).map((key) => [key, made[key]])), given);
  assert.deepEqual([made.Arn, made.Name, made.GroupName, made.ActionAfterCompletion], [ScheduleArn, name, 'default', 'NONE']);
  const RetryPolicy = { MaximumEventAgeInSeconds: 86400, MaximumRetryAttempts: 185 };
  assert.deepEqual(made.Target, { Arn: QueueArn, RoleArn, Input: name, RetryPolicy });
  assert.ok(made.CreationDate instanceof Date);
  assert.deepEqual(made.LastModificationDate, made.CreationDate);
  // An update is the whole schedule: what is left out goes back to what it is by default.
  const EndDate = new Date(made.CreationDate.getTime() + 86_400_000);
  const changed = { ScheduleExpression: 'rate(12 hours)', State: 'DISABLED', EndDate };
  assert.equal((await update(name, QueueArn, changed)).ScheduleArn, ScheduleArn);
  const shown = await get(name);
  assert.deepEqual(
    [shown.ScheduleExpression, shown.ScheduleExpressionTimezone, shown.FlexibleTimeWindow, shown.Description, shown.State],
    ['rate(12 hours)', 'UTC', { Mode: 'OFF' }, undefined, 'DISABLED'],
  );
  assert.deepEqual([shown.EndDate, shown.CreationDate], [EndDate, made.CreationDate]);
  assert.ok(shown.LastModificationDate >= made.LastModificationDate);
  await create(`${name}-2`, QueueArn, { State: 'DISABLED' });
  const names = async (more) => (
    await listed(scheduler.paginateListSchedules, 'Schedules', { NamePrefix: name, ...more })
  ).map((it) => it.Name);
  assert.deepEqual(await names({}), [name, `${name}-2`]);
  assert.deepEqual(await names({ State: 'ENABLED' }), []);
  const { Schedules } = await client.send(new scheduler.ListSchedulesCommand({ NamePrefix: `${name}-2`, GroupName: 'default' }));
  assert.deepEqual(
    Schedules.map(({ Arn, State, Target }) => [Arn, State, Target]), [[`${ScheduleArn}-2`, 'DISABLED', { Arn: QueueArn }]],
  );
  await remove(`${name}-2`);
  await remove(name, { ClientToken });
  await remove(name, { ClientToken });
  const gone = `Schedule ${name} does not exist.`;
  await refused(remove(name), scheduler.ResourceNotFoundException, gone);
  await refused(get(name), scheduler.ResourceNotFoundException, gone);
  await refused(update(name, QueueArn), scheduler.ResourceNotFoundException, gone);
});

test('the life of a group', async () => {
  const [name, { QueueArn }] = ['js-group', await queue('js-group')];
  const { ScheduleGroupArn } = await createGroup(name, { Tags: [{ Key: 'a', Value: '1' }] });
  assert.equal(ScheduleGroupArn, `${ARNS}:schedule-group/${name}`);
  await refused(createGroup(name), scheduler.ConflictException, `Schedule group ${name} already exists.`);
  const { Arn, Name, State, CreationDate, LastModificationDate } = await getGroup(name);
  assert.deepEqual([Arn, Name, State], [ScheduleGroupArn, name, 'ACTIVE']);
  assert.ok(CreationDate instanceof Date && LastModificationDate >= CreationDate);
  const of = { ResourceArn: ScheduleGroupArn };
  await client.send(new scheduler.TagResourceCommand({ ...of, Tags: [{ Key: 'b', Value: '2' }, { Key: 'c', Value: '3' }] }));
  await client.send(new scheduler.UntagResourceCommand({ ...of, TagKeys: ['a', 'c'] }));
  const { Tags } = await client.send(new scheduler.ListTagsForResourceCommand(of));
  assert.deepEqual(Tags, [{ Key: 'b', Value: '2' }]);
  await createGroup(`${name}-2`);
  const groups = await listed(scheduler.paginateListScheduleGroups, 'ScheduleGroups', {});
  for (const expected of ['default', name, `${name}-2`]) {
    assert.equal(groups.filter((it) => it.Name === expected).length, 1, expected);
  }
  const { ScheduleGroups } = await client.send(new scheduler.ListScheduleGroupsCommand({ NamePrefix: name }));
  assert.deepEqual(ScheduleGroups.map((it) => it.Name), [name, `${name}-2`]);
  // The same name in two groups is two schedules.
  const schedule = 'js-within';
  for (const GroupName of [name, `${name}-2`]) {
    const { ScheduleArn } = await create(schedule, QueueArn, { GroupName, State: 'DISABLED' });
    assert.equal(ScheduleArn, `${ARNS}:schedule/${GroupName}/${schedule}`);
  }
  await refused(get(schedule), scheduler.ResourceNotFoundException, `Schedule ${schedule} does not exist.`);
  assert.equal((await get(schedule, name)).GroupName, name);
  const { Schedules } = await client.send(new scheduler.ListSchedulesCommand({ GroupName: name }));
  assert.deepEqual(Schedules.map((it) => [it.Name, it.GroupName]), [[schedule, name]]);
  await deleteGroup(name);
  await eventually(() => absent(getGroup(name)));
  assert.ok(await absent(get(schedule, name)), 'the schedules of a group go with it');
  assert.equal((await get(schedule, `${name}-2`)).GroupName, `${name}-2`);
  await deleteGroup(`${name}-2`);
  await refused(deleteGroup('default'), scheduler.ValidationException, /default/);
});

test('schedules that are due once invoke their target', async () => {
  const target = await queue('js-once');
  const moment = (milliseconds) => new Date(milliseconds).toISOString().slice(0, 19);
  // What has passed already is due at once.
  const [past, soon] = [moment(Date.now() - 60_000), moment(Date.now() + 2_000)];
  const Target = { Arn: target.QueueArn, RoleArn, Input: '{"at": "<aws.scheduler.scheduled-time>", "by": "<aws.scheduler.schedule-arn>"}' };
  await create('js-past', target.QueueArn, { ScheduleExpression: `at(${past})`, Target });
  await create('js-soon', target.QueueArn, { ScheduleExpression: `at(${soon})`, Target, ActionAfterCompletion: 'DELETE' });
  await create('js-off', target.QueueArn, { ScheduleExpression: `at(${past})`, State: 'DISABLED' });
  await create('js-later', target.QueueArn, { ScheduleExpression: `at(${soon})`, ScheduleExpressionTimezone: 'America/New_York' });
  assert.deepEqual((await bodies(target, 2)).map((body) => JSON.parse(body)), [
    { at: `${past}Z`, by: `${ARNS}:schedule/default/js-past` }, { at: `${soon}Z`, by: `${ARNS}:schedule/default/js-soon` },
  ]);
  await eventually(() => absent(get('js-soon')));
  // Enabled, with a time that it has not been due for, it invokes what it is said to now.
  await update('js-off', target.QueueArn, { ScheduleExpression: `at(${soon})`, State: 'ENABLED', Target: { ...Target, Input: 'now on' } });
  assert.deepEqual(await bodies(target, 1), ['now on']);
  for (const stays of ['js-past', 'js-off', 'js-later']) {
    assert.equal((await get(stays)).ScheduleExpression.slice(0, 3), 'at(');
    await remove(stays);
  }
});

test('a recurring schedule is due as soon as it is made', async () => {
  const target = await queue('js-recurring');
  await create('js-recurring', target.QueueArn, { ScheduleExpression: 'rate(1 hour)' });
  assert.deepEqual(await bodies(target, 1), ['js-recurring']);
  assert.equal((await get('js-recurring')).State, 'ENABLED');
  await remove('js-recurring');
});

test('what a schedule cannot deliver is a dead letter', async () => {
  const [target, dead] = [await queue('js-undelivered'), await queue('js-dead')];
  const nobody = `${target.QueueArn}-nobody`;
  const Target = { Arn: nobody, RoleArn, Input: 'm', DeadLetterConfig: { Arn: dead.QueueArn }, RetryPolicy: { MaximumRetryAttempts: 0 } };
  await create('js-undelivered', nobody, { Target });
  const [message] = await received(dead, 1);
  const { SCHEDULE_ARN, TARGET_ARN, RETRY_ATTEMPTS, EXHAUSTED_RETRY_CONDITION, ERROR_CODE } = message.MessageAttributes;
  assert.equal(message.Body, 'm');
  assert.deepEqual(
    [SCHEDULE_ARN, TARGET_ARN, RETRY_ATTEMPTS, EXHAUSTED_RETRY_CONDITION].map((it) => it.StringValue),
    [`${ARNS}:schedule/default/js-undelivered`, nobody, '0', 'MaximumRetryAttempts'],
  );
  assert.match(ERROR_CODE.StringValue, /NonExistentQueue|QueueDoesNotExist/);
  await remove('js-undelivered');
});

test('what cannot be is refused, and makes no schedule', async () => {
  const { QueueArn } = await queue('js-refused');
  const target = (more) => ({ Target: { Arn: QueueArn, RoleArn, ...more } });
  const lambdas = await roleFor('lambda.amazonaws.com', 'js-untrusted', ['sqs:SendMessage']);
  const untrusted = 'The execution role you provide must allow AWS EventBridge Scheduler to assume the role.';
  for (const [more, message] of [
    [{ ScheduleExpression: 'rate(1 hours)' }, 'Invalid Schedule Expression rate(1 hours).'],
    [{ ScheduleExpression: 'at(2030-02-30T00:00:00)' }, 'Invalid Schedule Expression at(2030-02-30T00:00:00).'],
    [{ ScheduleExpressionTimezone: 'Europe/Atlantis' }, 'Invalid Schedule Expression Timezone Europe/Atlantis.'],
    [{ FlexibleTimeWindow: { Mode: 'FLEXIBLE' } }, /MaximumWindowInMinutes must be provided/],
    [{ EndDate: new Date(Date.now() - 60_000) }, 'The EndDate you specify cannot be in the past.'],
    [{ KmsKeyArn: 'arn:aws:kms:us-east-1:000000000000:key/k' }, /KmsKeyArn/],
    [target({ RoleArn: lambdas }), untrusted],
    [target({ RoleArn: 'arn:aws:iam::000000000000:role/js-nobody' }), untrusted],
    [target({ Arn: 'arn:aws:ecs:us-east-1:000000000000:cluster/c' }), /the service ecs/],
    [target({ Arn: 'arn:aws:scheduler:::aws-sdk:s3:listBuckets' }), /aws-sdk:s3:listBuckets/],
    [target({ KinesisParameters: { PartitionKey: 'k' } }), /KinesisParameters/],
    [target({ RetryPolicy: { MaximumRetryAttempts: 186 } }), /Member must have value less than or equal to 185/],
  ]) {
    await refused(create('js-refused', QueueArn, more), scheduler.ValidationException, message);
  }
  await refused(get('js-refused'), scheduler.ResourceNotFoundException, 'Schedule js-refused does not exist.');
  await refused(client.send(new scheduler.ListSchedulesCommand({ NextToken: '?' })), scheduler.ValidationException, /NextToken/);
  await refused(client.send(new scheduler.ListScheduleGroupsCommand({ MaxResults: 101 })), scheduler.ValidationException, /maxResults/);
});

test('what is not there is not found', async () => {
  const { QueueArn } = await queue('js-not-there');
  const ResourceArn = `${ARNS}:schedule-group/js-none`;
  const noGroup = 'Schedule group js-none does not exist.';
  for (const [command, message] of [
    [new scheduler.GetScheduleCommand({ Name: 'js-none' }), 'Schedule js-none does not exist.'],
    [new scheduler.DeleteScheduleCommand({ Name: 'js-none' }), 'Schedule js-none does not exist.'],
    [new scheduler.UpdateScheduleCommand(asked('js-none', QueueArn)), 'Schedule js-none does not exist.'],
    [new scheduler.CreateScheduleCommand(asked('js-some', QueueArn, { GroupName: 'js-none' })), noGroup],
    [new scheduler.ListSchedulesCommand({ GroupName: 'js-none' }), noGroup],
    [new scheduler.GetScheduleGroupCommand({ Name: 'js-none' }), noGroup],
    [new scheduler.DeleteScheduleGroupCommand({ Name: 'js-none' }), noGroup],
    [new scheduler.ListTagsForResourceCommand({ ResourceArn }), /js-none does not exist\.$/],
    [new scheduler.TagResourceCommand({ ResourceArn, Tags: [] }), /js-none does not exist\.$/],
    [new scheduler.UntagResourceCommand({ ResourceArn, TagKeys: ['a'] }), /js-none does not exist\.$/],
  ]) {
    await refused(client.send(command), scheduler.ResourceNotFoundException, message);
  }
});
