//! EventBridge's buses and rules through the AWS SDK for JavaScript v3: their lives, policies, tags, targets and patterns.

import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { events, settings } from './clients.mjs';
import { refused } from './messaging.mjs';
import { bodies, cleared, letIn, queue } from './targets.mjs';

const EVENTS = 'arn:aws:events:us-east-1:000000000000';
const client = new events.EventBridgeClient(settings());
after(async () => { await cleared(); client.destroy(); });

const makeBus = (Name, more = {}) => client.send(new events.CreateEventBusCommand({ Name, ...more }));
const describeBus = (Name) => client.send(new events.DescribeEventBusCommand({ Name }));
const deleteBus = (Name) => client.send(new events.DeleteEventBusCommand({ Name }));
const putRule = (Name, EventBusName, pattern, more = {}) => client.send(new events.PutRuleCommand({
  Name, EventBusName, EventPattern: JSON.stringify(pattern), ...more,
}));
const putTargets = (Rule, EventBusName, Targets) => client.send(new events.PutTargetsCommand({ Rule, EventBusName, Targets }));

async function deleteRule(Name, EventBusName, ...Ids) {
  if (Ids.length) {
    const removed = await client.send(new events.RemoveTargetsCommand({ Rule: Name, EventBusName, Ids }));
    assert.equal(removed.FailedEntryCount, 0);
  }
  await client.send(new events.DeleteRuleCommand({ Name, EventBusName }));
}

const entry = (EventBusName, detail, more = {}) => ({
  EventBusName, Source: 'shop', DetailType: 'order', Detail: JSON.stringify(detail), ...more,
});

test('an event reaches the queue of a rule, transformed', async () => {
  const [EventBusName, Name] = ['js-bus', 'js-rule'];
  await makeBus(EventBusName);
  const { RuleArn } = await putRule(Name, EventBusName, { source: ['shop'], detail: { total: [{ numeric: ['>', 10] }] } });
  const target = await queue('js-events');
  await letIn(target, RuleArn);
  const InputTransformer = { InputPathsMap: { id: '$.detail.id' }, InputTemplate: '{"order": <id>}' };
  const put = await putTargets(Name, EventBusName, [{ Id: 'queue', Arn: target.QueueArn, InputTransformer }]);
  assert.equal(put.FailedEntryCount, 0);
  const order = (id, total) => entry(EventBusName, { id, total }, { Time: new Date() });
  const Entries = [order('a', 10), order('b', 11), { ...order('c', 12), Detail: 'none' }, { ...order('d', 12), Source: 'aws.shop' }];
  const answer = await client.send(new events.PutEventsCommand({ Entries }));
  assert.equal(answer.FailedEntryCount, 2);
  assert.deepEqual(
    answer.Entries.map(({ EventId, ErrorCode }) => (EventId ? 'accepted' : ErrorCode)),
    ['accepted', 'accepted', 'MalformedDetail', 'NotAuthorizedForSourceException'],
  );
  assert.deepEqual(await bodies(target, 1), ['{"order": "b"}']);
  await deleteRule(Name, EventBusName, 'queue');
  await deleteBus(EventBusName);
});

test('the life of a bus', async () => {
  const Name = 'js-life-of-a-bus';
  const { EventBusArn, Description } = await makeBus(Name, { Description: 'first', Tags: [{ Key: 'a', Value: '1' }] });
  assert.deepEqual([EventBusArn, Description], [`${EVENTS}:event-bus/${Name}`, 'first']);
  await refused(makeBus(Name), events.ResourceAlreadyExistsException, `Event bus ${Name} already exists.`);
  const before = await describeBus(Name);
  assert.deepEqual([before.Name, before.Arn, before.Description, before.Policy], [Name, EventBusArn, 'first', undefined]);
  assert.ok(before.CreationTime instanceof Date && before.LastModifiedTime >= before.CreationTime);
  const updated = await client.send(new events.UpdateEventBusCommand({ Name, Description: 'second' }));
  assert.deepEqual([updated.Name, updated.Arn, updated.Description], [Name, EventBusArn, 'second']);
  const shown = await describeBus(EventBusArn);
  assert.equal(shown.Description, 'second');
  assert.deepEqual(shown.CreationTime, before.CreationTime);
  await makeBus(`${Name}-2`);
  const first = await client.send(new events.ListEventBusesCommand({ NamePrefix: Name, Limit: 1 }));
  const { NextToken } = first;
  const second = await client.send(new events.ListEventBusesCommand({ NamePrefix: Name, Limit: 1, NextToken }));
  assert.deepEqual([...first.EventBuses, ...second.EventBuses].map((bus) => bus.Name), [Name, `${Name}-2`]);
  assert.equal(second.NextToken, undefined);
  await deleteBus(`${Name}-2`);
  await client.send(new events.TagResourceCommand({ ResourceARN: EventBusArn, Tags: [{ Key: 'b', Value: '2' }] }));
  await client.send(new events.UntagResourceCommand({ ResourceARN: EventBusArn, TagKeys: ['a', 'never'] }));
  const { Tags } = await client.send(new events.ListTagsForResourceCommand({ ResourceARN: EventBusArn }));
  assert.deepEqual(Tags, [{ Key: 'b', Value: '2' }]);
  await putRule('js-keeps-it', Name, { source: ['a'] });
  await refused(deleteBus(Name), 'ValidationException', /since it has rules/);
  await deleteRule('js-keeps-it', Name);
  await deleteBus(Name);
  await refused(describeBus(Name), events.ResourceNotFoundException, `Event bus ${Name} does not exist.`);
  assert.equal((await describeBus(undefined)).Arn, `${EVENTS}:event-bus/default`);
  await refused(deleteBus('default'), 'ValidationException', 'Cannot delete event bus default.');
});

test('the policy of a bus lets another account put events, until it is removed', async () => {
  const [EventBusName, friend] = ['js-policy', '121212121212'];
  const { EventBusArn } = await makeBus(EventBusName);
  const theirs = new events.EventBridgeClient(settings(friend));
  const put = () => theirs.send(new events.PutEventsCommand({ Entries: [entry(EventBusArn, {})] }));
  const permit = (more) => client.send(new events.PutPermissionCommand({ EventBusName, ...more }));
  const remove = (more) => client.send(new events.RemovePermissionCommand({ EventBusName, ...more }));
  const policy = async () => JSON.parse((await describeBus(EventBusName)).Policy ?? 'null');
  const denied = new RegExp(`not authorized to perform: events:PutEvents on resource: ${EventBusArn}`);
  await refused(put(), events.AccessDeniedException, denied);
  const statement = { StatementId: 'friend', Action: 'events:PutEvents', Principal: friend };
  await permit(statement);
  await permit({ StatementId: 'other', Action: 'events:PutEvents', Principal: '131313131313' });
  const { Statement } = await policy();
  assert.deepEqual(Statement.map(({ Sid }) => Sid), ['friend', 'other']);
  assert.deepEqual(Statement[0], {
    Sid: 'friend', Effect: 'Allow', Principal: { AWS: `arn:aws:iam::${friend}:root` }, Action: 'events:PutEvents', Resource: EventBusArn,
  });
  assert.equal((await put()).FailedEntryCount, 0);
  const none = 'Statement with the provided id does not exist.';
  await refused(remove({ StatementId: 'nobody' }), events.ResourceNotFoundException, none);
  await remove({ StatementId: 'friend' });
  assert.deepEqual((await policy()).Statement.map(({ Sid }) => Sid), ['other']);
  await refused(put(), events.AccessDeniedException, denied);
  await remove({ RemoveAllPermissions: true });
  assert.equal(await policy(), null);
  await refused(remove({ StatementId: 'other' }), events.ResourceNotFoundException, 'EventBus does not have a policy.');
  await refused(permit({ Policy: '{' }), 'ValidationException', /^Parameter Policy is not valid\./);
  await refused(permit({ ...statement, Action: 'events:PutRule' }), 'ValidationException', /'action' is not supported/);
  const whole = { Sid: 'all', Effect: 'Allow', Principal: '*', Action: 'events:PutEvents', Resource: EventBusArn };
  await permit({ Policy: JSON.stringify({ Version: '2012-10-17', Statement: [whole] }) });
  assert.deepEqual((await policy()).Statement, [whole]);
  assert.equal((await put()).FailedEntryCount, 0);
  theirs.destroy();
  await deleteBus(EventBusName);
});

test('the life of a rule', async () => {
  const [EventBusName, Name] = ['js-rules', 'js-life-of-a-rule'];
  await makeBus(EventBusName);
  const of = { Name, EventBusName };
  const describe = () => client.send(new events.DescribeRuleCommand(of));
  const { RuleArn } = await putRule(Name, EventBusName, { source: ['shop'] }, {
    Description: 'first', State: 'DISABLED', Tags: [{ Key: 'a', Value: '1' }],
  });
  assert.equal(RuleArn, `${EVENTS}:rule/${EventBusName}/${Name}`);
  const shown = await describe();
  assert.deepEqual(
    [shown.Name, shown.Arn, shown.EventBusName, shown.State, shown.Description, shown.CreatedBy, shown.EventPattern],
    [Name, RuleArn, EventBusName, 'DISABLED', 'first', '000000000000', '{"source":["shop"]}'],
  );
  const target = await queue('js-life-of-a-rule');
  await letIn(target, RuleArn);
  await putTargets(Name, EventBusName, [{ Id: 'queue', Arn: target.QueueArn, InputPath: '$.detail.n' }]);
  const put = (n) => client.send(new events.PutEventsCommand({ Entries: [entry(EventBusName, { n })] }));
  await put(1);
  await client.send(new events.EnableRuleCommand(of));
  assert.equal((await describe()).State, 'ENABLED');
  await put(2);
  assert.deepEqual(await bodies(target, 1), ['2'], 'what came before the rule was enabled is lost to it');
  await client.send(new events.DisableRuleCommand(of));
  await put(3);
  // Put again, a rule is what is said now: what is left out goes.
  assert.equal((await putRule(Name, EventBusName, { source: ['shop'] })).RuleArn, RuleArn);
  const again = await describe();
  assert.deepEqual([again.State, again.Description], ['ENABLED', undefined]);
  await put(4);
  assert.deepEqual(await bodies(target, 1), ['4']);
  await client.send(new events.TagResourceCommand({ ResourceARN: RuleArn, Tags: [{ Key: 'b', Value: '2' }] }));
  await client.send(new events.UntagResourceCommand({ ResourceARN: RuleArn, TagKeys: ['a'] }));
  const { Tags } = await client.send(new events.ListTagsForResourceCommand({ ResourceARN: RuleArn }));
  assert.deepEqual(Tags, [{ Key: 'b', Value: '2' }]);
  const inUse = "Rule can't be deleted since it has targets.";
  await refused(client.send(new events.DeleteRuleCommand(of)), 'ValidationException', inUse);
  await deleteRule(Name, EventBusName, 'queue');
  await refused(describe(), events.ResourceNotFoundException, `Rule ${Name} does not exist on EventBus ${EventBusName}.`);
  const gone = new events.ListTagsForResourceCommand({ ResourceARN: RuleArn });
  await refused(client.send(gone), events.ResourceNotFoundException, /js-life-of-a-rule does not exist/);
  await deleteBus(EventBusName);
});

test('rules are listed, their targets too, and rules by their target', async () => {
  const EventBusName = 'js-lists';
  await makeBus(EventBusName);
  const Arn = (await queue('js-lists')).QueueArn;
  const names = ['js-list-1', 'js-list-2', 'js-list-3'];
  for (const name of names) await putRule(name, EventBusName, { source: [name] });
  const full = {
    Id: 'full',
    Arn,
    InputTransformer: { InputPathsMap: { s: '$.source' }, InputTemplate: '"from <s>"' },
    RetryPolicy: { MaximumRetryAttempts: 3, MaximumEventAgeInSeconds: 60 },
    DeadLetterConfig: { Arn },
  };
  const given = { Id: 'given', Arn, Input: '{"n":1}' };
  await putTargets(names[0], EventBusName, [full, given]);
  await putTargets(names[2], EventBusName, [{ Id: 'other', Arn }]);
  /** All of a list, a page of one each. */
  const listed = async (Command, member, asked) => {
    const found = [];
    let NextToken;
    do {
      const page = await client.send(new Command({ EventBusName, Limit: 1, ...asked, NextToken }));
      assert.ok(page[member].length <= 1);
      found.push(...page[member]);
      ({ NextToken } = page);
    } while (NextToken);
    return found;
  };
  const rules = await listed(events.ListRulesCommand, 'Rules', { NamePrefix: 'js-list-' });
  assert.deepEqual(rules.map(({ Name, State, EventPattern }) => [Name, State, EventPattern]), names.map((name) => (
    [name, 'ENABLED', `{"source":["${name}"]}`]
  )));
  assert.deepEqual(await listed(events.ListRulesCommand, 'Rules', { NamePrefix: 'js-other' }), []);
  assert.deepEqual(await listed(events.ListTargetsByRuleCommand, 'Targets', { Rule: names[0] }), [full, given]);
  const byTarget = (TargetArn) => listed(events.ListRuleNamesByTargetCommand, 'RuleNames', { TargetArn });
  assert.deepEqual(await byTarget(Arn), [names[0], names[2]]);
  assert.deepEqual(await byTarget(`${Arn}-nobody`), []);
  await client.send(new events.RemoveTargetsCommand({ Rule: names[0], EventBusName, Ids: ['full', 'given'] }));
  assert.deepEqual(await byTarget(Arn), [names[2]]);
  await deleteRule(names[0], EventBusName);
  await deleteRule(names[1], EventBusName);
  await deleteRule(names[2], EventBusName, 'other');
  await deleteBus(EventBusName);
});

test('a pattern is tried on an event', async () => {
  const event = {
    id: '1', account: '000000000000', source: 'shop', time: '2025-01-01T00:00:00Z', region: 'us-east-1', resources: ['r'],
    'detail-type': 'order', detail: { total: 12, item: 'tea-pot', ip: '10.0.0.7' },
  };
  const ask = (pattern, Event = JSON.stringify(event)) => client.send(new events.TestEventPatternCommand({
    EventPattern: typeof pattern === 'string' ? pattern : JSON.stringify(pattern), Event,
  }));
  for (const [pattern, expected] of [
    [{ source: ['shop'] }, true],
    [{ source: ['Shop'] }, false],
    [{ resources: ['q', 'r'] }, true],
    [{ detail: { total: [{ numeric: ['>', 10, '<=', 12] }] } }, true],
    [{ detail: { total: [{ numeric: ['<', 12] }] } }, false],
    [{ detail: { item: [{ prefix: 'tea' }, { suffix: 'cup' }] } }, true],
    [{ detail: { item: [{ 'anything-but': { prefix: 'tea' } }] } }, false],
    [{ detail: { item: [{ wildcard: 't*-p*t' }], none: [{ exists: false }] } }, true],
    [{ detail: { ip: [{ cidr: '10.0.1.0/24' }] } }, false],
    [{ $or: [{ source: ['x'] }, { detail: { total: [12] } }] }, true],
  ]) {
    assert.equal((await ask(pattern)).Result, expected, JSON.stringify(pattern));
  }
  await refused(ask('{"source": "shop"}'), events.InvalidEventPatternException, /^Event pattern is not valid\. Reason: /);
  await refused(ask({ source: ['shop'] }, '{}'), 'ValidationException', /^Parameter Event is not valid\./);
});

test('what is wrong is refused, and changes nothing', async () => {
  const [EventBusName, Rule] = ['js-wrong', 'js-wrong'];
  await makeBus(EventBusName);
  await putRule(Rule, EventBusName, { source: ['a'] });
  const Arn = (await queue('js-wrong')).QueueArn;
  const wrong = (Targets) => putTargets(Rule, EventBusName, Targets);
  await refused(putRule('r', EventBusName, { source: 'x' }), events.InvalidEventPatternException, /^Event pattern is not valid/);
  await refused(wrong([{ Id: '1', Arn, Input: '{}', InputPath: '$.a' }]), 'ValidationException', /Only one of Input, InputPath/);
  const groupless = 'Parameter(s) SqsParameters must be specified for target: 1.';
  await refused(wrong([{ Id: '1', Arn: `${Arn}.fifo` }]), 'ValidationException', groupless);
  const machine = 'arn:aws:states:us-east-1:000000000000:stateMachine:s';
  await refused(wrong([{ Id: '1', Arn: machine }]), 'ValidationException', /Hearth does not support targets of the service states/);
  const six = Array.from({ length: 6 }, (_, index) => ({ Id: `${index}`, Arn }));
  await refused(wrong(six), events.LimitExceededException, 'The requested resource exceeds the maximum number allowed.');
  const { Targets } = await client.send(new events.ListTargetsByRuleCommand({ Rule, EventBusName }));
  assert.deepEqual(Targets, []);
  const expression = { Name: 'r', EventBusName, ScheduleExpression: 'rate(1 day)' };
  await refused(client.send(new events.PutRuleCommand(expression)), 'ValidationException', /only on the default event bus/);
  const { Rules } = await client.send(new events.ListRulesCommand({ EventBusName }));
  assert.deepEqual(Rules.map(({ Name }) => Name), [Rule]);
  const keyed = makeBus('js-keyed', { KmsKeyIdentifier: 'k' });
  await refused(keyed, 'ValidationException', 'Hearth does not support KmsKeyIdentifier yet.');
  await refused(describeBus('js-keyed'), events.ResourceNotFoundException, 'Event bus js-keyed does not exist.');
  const put = (Entries) => client.send(new events.PutEventsCommand({ Entries }));
  await refused(put([]), 'ValidationException', /Member must have length greater than or equal to 1/);
  await refused(put(Array(11).fill(entry(EventBusName, {}))), 'ValidationException', /Member must have length less than or equal to 10/);
  await refused(put([entry(EventBusName, { a: 'x'.repeat(1 << 20) })]), 'ValidationException', /Total size of the entries/);
  await deleteRule(Rule, EventBusName);
  await deleteBus(EventBusName);
});

test('what is not there is not found', async () => {
  const [nobody, rule] = [{ Name: 'js-none' }, { Rule: 'js-none' }];
  const ResourceARN = `${EVENTS}:rule/js-none`;
  const noRule = 'Rule js-none does not exist on EventBus default.';
  const noBus = 'Event bus js-none does not exist.';
  const noResource = /js-none does not exist/;
  for (const [command, message] of [
    [new events.DescribeRuleCommand(nobody), noRule],
    [new events.EnableRuleCommand(nobody), noRule],
    [new events.DisableRuleCommand(nobody), noRule],
    [new events.DeleteRuleCommand({ ...nobody, EventBusName: 'js-none' }), noBus],
    [new events.ListTargetsByRuleCommand(rule), noRule],
    [new events.PutTargetsCommand({ ...rule, Targets: [{ Id: '1', Arn: 'arn' }] }), noRule],
    [new events.RemoveTargetsCommand({ ...rule, Ids: ['1'] }), noRule],
    [new events.TagResourceCommand({ ResourceARN, Tags: [] }), noResource],
    [new events.UntagResourceCommand({ ResourceARN, TagKeys: [] }), noResource],
    [new events.ListRulesCommand({ EventBusName: 'js-none' }), noBus],
    [new events.ListRuleNamesByTargetCommand({ TargetArn: 'arn', EventBusName: 'js-none' }), noBus],
    [new events.UpdateEventBusCommand(nobody), noBus],
    [new events.PutPermissionCommand({ EventBusName: 'js-none', Policy: '{}' }), noBus],
    [new events.RemovePermissionCommand({ EventBusName: 'js-none', StatementId: '1' }), noBus],
  ]) {
    await refused(client.send(command), events.ResourceNotFoundException, message);
  }
});

test('operations that Hearth does not have are refused by their names', async () => {
  for (const [Command, input] of [
    [events.CreateConnectionCommand, { Name: 'c', AuthorizationType: 'API_KEY', AuthParameters: {} }],
    [events.CreateApiDestinationCommand, { Name: 'd', ConnectionArn: 'arn', InvocationEndpoint: 'https://e', HttpMethod: 'GET' }],
    [events.ListEndpointsCommand, {}],
    [events.ListPartnerEventSourcesCommand, { NamePrefix: 'aws.partner' }],
  ]) {
    const message = `Hearth does not implement events:${Command.name.replace(/Command$/, '')}.`;
    await refused(client.send(new Command(input)), 'UnknownOperationException', message);
  }
});
