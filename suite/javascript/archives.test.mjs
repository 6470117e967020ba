//! EventBridge's archives and replays through the AWS SDK for JavaScript v3: what is kept, what is told again, and to whom.

import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { events, eventually, settings } from './clients.mjs';
import { refused } from './messaging.mjs';
import { bodies, cleared, letIn, queue } from './targets.mjs';

const EVENTS = 'arn:aws:events:us-east-1:000000000000';
const HOUR = 3_600_000;
const client = new events.EventBridgeClient(settings());
after(async () => { await cleared(); client.destroy(); });

const makeBus = async (Name) => (await client.send(new events.CreateEventBusCommand({ Name }))).EventBusArn;
const archive = (ArchiveName, EventSourceArn, more = {}) => client.send(new events.CreateArchiveCommand({
  ArchiveName, EventSourceArn, ...more,
}));
const describeArchive = (ArchiveName) => client.send(new events.DescribeArchiveCommand({ ArchiveName }));
const deleteArchive = (ArchiveName) => client.send(new events.DeleteArchiveCommand({ ArchiveName }));
const listArchives = async (asked) => (await client.send(new events.ListArchivesCommand(asked))).Archives.map((it) => it.ArchiveName);
const describeReplay = (ReplayName) => client.send(new events.DescribeReplayCommand({ ReplayName }));
const cancelReplay = (ReplayName) => client.send(new events.CancelReplayCommand({ ReplayName }));
const listReplays = async (asked) => (await client.send(new events.ListReplaysCommand(asked))).Replays.map((it) => it.ReplayName);

/** Starts a replay of all that came within an hour. */
const replay = (ReplayName, EventSourceArn, Destination, more = {}) => client.send(new events.StartReplayCommand({
  ReplayName,
  EventSourceArn,
  Destination,
  EventStartTime: new Date(Date.now() - HOUR),
  EventEndTime: new Date(Date.now() + HOUR),
  ...more,
}));

/** Puts so many events on a bus, at most ten in a call. */
async function put(EventBusName, count, detail = (n) => ({ n })) {
  const Entries = Array.from({ length: count }, (_, n) => ({
    EventBusName, Source: 'shop', DetailType: 'order', Detail: JSON.stringify(detail(n)),
  }));
  while (Entries.length) {
    const answer = await client.send(new events.PutEventsCommand({ Entries: Entries.splice(0, 10) }));
    assert.equal(answer.FailedEntryCount, 0);
  }
}

/** A rule that tells a queue of an event's number and of the replay that told it. */
async function told(Name, EventBusName, pattern) {
  const { RuleArn } = await client.send(new events.PutRuleCommand({ Name, EventBusName, EventPattern: JSON.stringify(pattern) }));
  const target = await queue(Name);
  await letIn(target, RuleArn);
  const InputTransformer = { InputPathsMap: { n: '$.detail.n', replay: '$.replay-name' }, InputTemplate: '"<n> <replay>"' };
  const Targets = [{ Id: '1', Arn: target.QueueArn, InputTransformer }];
  await client.send(new events.PutTargetsCommand({ Rule: Name, EventBusName, Targets }));
  const remove = async () => {
    await client.send(new events.RemoveTargetsCommand({ Rule: Name, EventBusName, Ids: ['1'] }));
    await client.send(new events.DeleteRuleCommand({ Name, EventBusName }));
  };
  return { RuleArn, target, remove };
}

test('the life of an archive', async () => {
  const bus = await makeBus('js-archived');
  const [name, other] = ['js-archive-1', 'js-archive-2'];
  const made = await archive(name, bus, { Description: 'first', RetentionDays: 2, EventPattern: '{"source":["shop"]}' });
  assert.deepEqual([made.ArchiveArn, made.State], [`${EVENTS}:archive/${name}`, 'ENABLED']);
  await refused(archive(name, bus), events.ResourceAlreadyExistsException, `Archive ${name} already exists.`);
  const shown = await describeArchive(name);
  assert.deepEqual(
    [shown.ArchiveArn, shown.EventSourceArn, shown.Description, shown.RetentionDays, shown.EventPattern, shown.EventCount],
    [made.ArchiveArn, bus, 'first', 2, '{"source":["shop"]}', 0],
  );
  assert.deepEqual(shown.CreationTime, made.CreationTime);
  const updated = await client.send(new events.UpdateArchiveCommand({ ArchiveName: name, RetentionDays: 1 }));
  assert.deepEqual([updated.ArchiveArn, updated.State], [made.ArchiveArn, 'ENABLED']);
  const EventPattern = '{"detail":{"kept":[true]}}';
  await client.send(new events.UpdateArchiveCommand({ ArchiveName: name, EventPattern, Description: 'second' }));
  const changed = await describeArchive(name);
  assert.deepEqual([changed.Description, changed.RetentionDays, changed.EventPattern], ['second', 1, EventPattern]);
  const wrong = new events.UpdateArchiveCommand({ ArchiveName: name, EventPattern: '{"source":"x"}' });
  await refused(client.send(wrong), events.InvalidEventPatternException, /^Event pattern is not valid\. Reason: /);
  await put('js-archived', 12, (n) => ({ n, kept: n % 3 === 0 }));
  const full = await eventually(async () => { const it = await describeArchive(name); return it.EventCount === 4 && it; });
  assert.ok(full.SizeBytes > 0);
  assert.equal(full.EventPattern, EventPattern, 'and what was refused has changed nothing');
  await archive(other, bus);
  assert.deepEqual(await listArchives({ NamePrefix: 'js-archive-' }), [name, other]);
  assert.deepEqual(await listArchives({ EventSourceArn: bus }), [name, other]);
  assert.deepEqual(await listArchives({ EventSourceArn: bus, State: 'DISABLED' }), []);
  const page = await client.send(new events.ListArchivesCommand({ NamePrefix: 'js-archive-', Limit: 1 }));
  assert.deepEqual(page.Archives.map((it) => it.EventCount), [4]);
  assert.deepEqual(await listArchives({ NamePrefix: 'js-archive-', Limit: 1, NextToken: page.NextToken }), [other]);
  await deleteArchive(name);
  await refused(describeArchive(name), events.ResourceNotFoundException, `Archive ${name} does not exist.`);
  assert.deepEqual(await listArchives({ NamePrefix: 'js-archive-' }), [other]);
  await deleteArchive(other);
  await client.send(new events.DeleteEventBusCommand({ Name: 'js-archived' }));
});

test('a replay tells one rule again what its archive has kept', async () => {
  const [name, again] = ['js-replayed', 'js-replay-1'];
  const bus = await makeBus(name);
  const { ArchiveArn } = await archive(name, bus, { EventPattern: '{"detail":{"n":[{"numeric":[">",0]}]}}' });
  const wanted = await told('js-replayed-to', name, { source: ['shop'] });
  const other = await told('js-replayed-past', name, { source: ['shop'] });
  await put(name, 3);
  for (const { target } of [wanted, other]) assert.deepEqual(await bodies(target, 3), ['"0 "', '"1 "', '"2 "']);
  await eventually(async () => (await describeArchive(name)).EventCount === 2);
  const Destination = { Arn: bus, FilterArns: [wanted.RuleArn] };
  const EventStartTime = new Date(Date.now() - HOUR);
  const before = await replay('js-replay-0', ArchiveArn, Destination, { EventStartTime, EventEndTime: new Date(+EventStartTime + 1000) });
  assert.equal(before.State, 'STARTING');
  const started = await replay(again, ArchiveArn, Destination, { Description: 'once more' });
  assert.deepEqual([started.ReplayArn, started.State], [`${EVENTS}:replay/${again}`, 'STARTING']);
  await refused(replay(again, ArchiveArn, Destination), events.ResourceAlreadyExistsException, `Replay ${again} already exists.`);
  assert.deepEqual(await bodies(wanted.target, 2), [`"1 ${again}"`, `"2 ${again}"`]);
  const done = await eventually(async () => { const it = await describeReplay(again); return it.State === 'COMPLETED' && it; });
  assert.deepEqual([done.EventSourceArn, done.Description, done.Destination], [ArchiveArn, 'once more', Destination]);
  assert.deepEqual(done.ReplayStartTime, started.ReplayStartTime);
  assert.ok(done.EventLastReplayedTime <= done.ReplayEndTime && done.ReplayStartTime <= done.ReplayEndTime);
  const over = /^Replay js-replay-1 is not in a valid state for this operation/;
  await refused(cancelReplay(again), events.IllegalStatusException, over);
  await eventually(async () => (await describeReplay('js-replay-0')).State === 'COMPLETED');
  assert.deepEqual(await listReplays({ NamePrefix: 'js-replay-' }), ['js-replay-0', again]);
  assert.deepEqual(await listReplays({ EventSourceArn: ArchiveArn, State: 'COMPLETED' }), ['js-replay-0', again]);
  assert.deepEqual(await listReplays({ EventSourceArn: ArchiveArn, State: 'RUNNING' }), []);
  const page = await client.send(new events.ListReplaysCommand({ NamePrefix: 'js-replay-', Limit: 1 }));
  assert.deepEqual(await listReplays({ NamePrefix: 'js-replay-', Limit: 1, NextToken: page.NextToken }), [again]);
  // Had the first replay or the other rule told anything, this would be more than the one event that is new.
  await put(name, 1, () => ({ n: 7 }));
  for (const { target } of [wanted, other]) assert.deepEqual(await bodies(target, 1), ['"7 "']);
  await eventually(async () => (await describeArchive(name)).EventCount === 3);
  await deleteArchive(name);
  for (const { remove } of [wanted, other]) await remove();
  await client.send(new events.DeleteEventBusCommand({ Name: name }));
});

/** Starts replays until one is cancelled while it is under way: on a busy machine one may be over before. */
async function cancelled(name, ArchiveArn, bus) {
  for (let turn = 1; ; turn += 1) {
    const again = `${name}-${turn}`;
    await replay(again, ArchiveArn, { Arn: bus });
    try {
      return [again, await cancelReplay(again)];
    } catch (error) {
      if (!(error instanceof events.IllegalStatusException) || turn === 5) throw error;
    }
  }
}

test('a replay is cancelled while it is under way', async () => {
  const name = 'js-cancelled';
  const bus = await makeBus(name);
  const { ArchiveArn } = await archive(name, bus);
  await Promise.all(Array.from({ length: 4 }, () => put(name, 250)));
  await eventually(async () => (await describeArchive(name)).EventCount === 1000);
  const [again, { State, ReplayArn }] = await cancelled(name, ArchiveArn, bus);
  assert.deepEqual([State, ReplayArn], ['CANCELLING', `${EVENTS}:replay/${again}`]);
  const ended = await eventually(async () => { const it = await describeReplay(again); return it.State === 'CANCELLED' && it; });
  assert.ok(ended.ReplayEndTime >= ended.ReplayStartTime);
  await refused(cancelReplay(again), events.IllegalStatusException, /is not in a valid state for this operation/);
  await deleteArchive(name);
  await client.send(new events.DeleteEventBusCommand({ Name: name }));
});

test('what cannot be archived or replayed is refused', async () => {
  const name = 'js-unarchived';
  const bus = await makeBus(name);
  const { ArchiveArn } = await archive(name, bus);
  const none = (kind) => `${kind} js-none does not exist.`;
  await refused(archive('js-none', `${EVENTS}:event-bus/js-none`), events.ResourceNotFoundException, none('Event bus'));
  await refused(describeArchive('js-none'), events.ResourceNotFoundException, none('Archive'));
  const update = new events.UpdateArchiveCommand({ ArchiveName: 'js-none', RetentionDays: 1 });
  await refused(client.send(update), events.ResourceNotFoundException, none('Archive'));
  await refused(deleteArchive('js-none'), events.ResourceNotFoundException, none('Archive'));
  await refused(describeReplay('js-none'), events.ResourceNotFoundException, none('Replay'));
  await refused(cancelReplay('js-none'), events.ResourceNotFoundException, none('Replay'));
  const start = (more, from = ArchiveArn, to = bus) => replay('js-wrong-replay', from, { Arn: to }, more);
  await refused(start({}, `${EVENTS}:archive/js-none`), events.ResourceNotFoundException, none('Archive'));
  await refused(start({}, ArchiveArn, `${EVENTS}:event-bus/default`), 'ValidationException', /Cross event bus replay is not permitted\./);
  const backwards = start({ EventEndTime: new Date(Date.now() - 2 * HOUR) });
  await refused(backwards, 'ValidationException', /EventStartTime must be before EventEndTime\./);
  await refused(describeReplay('js-wrong-replay'), events.ResourceNotFoundException, 'Replay js-wrong-replay does not exist.');
  const keyed = archive('js-keyed-archive', bus, { KmsKeyIdentifier: 'k' });
  await refused(keyed, 'ValidationException', 'Hearth does not support KmsKeyIdentifier yet.');
  const paged = new events.ListArchivesCommand({ NextToken: 'x' });
  await refused(client.send(paged), 'ValidationException', /NextToken/);
  await deleteArchive(name);
  await client.send(new events.DeleteEventBusCommand({ Name: name }));
});
