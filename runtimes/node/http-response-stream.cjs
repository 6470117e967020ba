//! `awslambda.HttpResponseStream`: puts a status, headers and cookies before what a streaming handler writes.
//! It refuses to check them: whoever turns the stream into an HTTP response does.

'use strict';

const METADATA_CONTENT_TYPE = 'application/vnd.awslambda.http-integration-response';
const DELIMITER_LENGTH = 8;

class HttpResponseStream {
  static from(stream, metadata) {
    stream.setContentType(METADATA_CONTENT_TYPE);
    const prelude = JSON.stringify(metadata);
    // The response stream calls this before the first thing that is written to it.
    stream._onBeforeFirstWrite = (write) => {
      write(prelude);
      write(new Uint8Array(DELIMITER_LENGTH));
    };
    return stream;
  }
}

module.exports = { HttpResponseStream };
