// Answers word by word while it still thinks of the next one: the caller reads the first long before the last.

import { setTimeout as pause } from 'node:timers/promises';

export const handler = awslambda.streamifyResponse(async (event, responseStream) => {
  responseStream.setContentType('text/plain');
  const words = event.words ?? ['one', 'word', 'after', 'another'];
  for (const word of words) {
    responseStream.write(`${word}\n`);
    await pause(event.pauseMillis ?? 200);
  }
  console.log('wrote', words.length, 'words');
  responseStream.end();
});
