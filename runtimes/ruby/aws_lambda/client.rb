# frozen_string_literal: true

# Speaks the Runtime API over one kept connection: HTTP/1.1 by hand, since loading Net::HTTP takes longer than
# everything else here. https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
#
# It refuses to interpret what it carries, and any answer that is not framed by Content-Length.

require 'socket'
require_relative 'errors'

module AwsLambda
  # One answer of the Runtime API: headers by any spelling of their names, and the body.
  class Response
    attr_reader :status, :body

    def initialize(status, headers, body)
      @status, @headers, @body = status, headers, body
    end

    def [](name)
      @headers[name.downcase]
    end
  end

  # The connection to the Runtime API at `host:port`.
  class Client
    ROOT = '/2018-06-01/runtime'
    USER_AGENT = "aws-lambda-ruby/#{RUBY_VERSION}-hearth"
    # Up to here no outcome is too large.
    SMALL_OUTCOME_BYTES = 64 * 1024

    # The peer closed a connection that had been kept.
    class Closed < StandardError; end

    def initialize(address)
      @host, _, @port = address.rpartition(':')
      @socket = nil
      @upcoming = nil
    end

    # Blocks until there is one.
    def next_invocation
      response = @upcoming || interruptible { exchange('GET', 'invocation/next') }
      @upcoming = nil
      return response if response.status == 200

      raise InvocationError, "Received #{response.status} when waiting for next invocation."
    end

    # `body` is text, or something to read. May block until there is another invocation.
    def post_response(id, body, content_type)
      body = body.read if content_type == Marshaller::UNKNOWN
      headers = { 'Content-Type' => content_type || 'application/json' }
      # Our own Runtime API answers with the next event, which is all that is asked for after this; another, as ever.
      headers['Hearth-Runtime-Next'] = 'true' if body.to_s.bytesize < SMALL_OUTCOME_BYTES
      answer = interruptible { exchange('POST', "invocation/#{id}/response", body, headers) }
      @upcoming = answer if answer['Lambda-Runtime-Aws-Request-Id']
    rescue StandardError => error
      raise UnansweredError, error
    end

    def post_error(id, error)
      post_failure("invocation/#{id}/error", error)
    end

    def post_init_error(error)
      post_failure('init/error', error)
    end

    private

    # Waits for an invocation, or ends as AWS's runtime does.
    def interruptible
      yield
    rescue SignalException => signal
      puts "Next invocation HTTP request from the runtime interface client was interrupted with a #{signal} SIGNAL, " \
           'gracefully shutting down.'
      exit 0
    end

    def post_failure(path, error)
      type = { 'Content-Type' => 'application/json', 'Lambda-Runtime-Function-Error-Type' => error.reported_type }
      exchange('POST', path, error.to_h.to_json, type)
    end

    def exchange(method, path, body = nil, headers = {})
      kept = !@socket.nil?
      begin
        @socket ||= connect
        @socket.write(request(method, path, body.to_s, headers))
        read_response
      rescue Closed, Errno::EPIPE, Errno::ECONNRESET
        disconnect
        # A kept connection may have been closed while nothing was said. A new one that breaks is broken.
        raise unless kept

        kept = false
        retry
      end
    end

    def connect
      TCPSocket.new(@host, Integer(@port)).tap { |socket| socket.setsockopt(:TCP, :NODELAY, true) }
    end

    def disconnect
      @socket&.close
      @socket = nil
    end

    def request(method, path, body, headers)
      lines = ["#{method} #{ROOT}/#{path} HTTP/1.1", "Host: #{@host}:#{@port}", "User-Agent: #{USER_AGENT}"]
      lines.concat(headers.map { |name, value| "#{name}: #{value}" })
      lines << "Content-Length: #{body.bytesize}" if method == 'POST'
      "#{lines.join("\r\n")}\r\n\r\n".b << body.b
    end

    def read_response
      status = (@socket.gets || raise(Closed))[9, 3].to_i
      headers = {}
      while (line = @socket.gets&.chomp) && !line.empty?
        name, value = line.split(':', 2)
        headers[name.downcase] = value.strip
      end
      body = @socket.read(headers.fetch('content-length', 0).to_i).force_encoding(Encoding::UTF_8)
      disconnect if headers['connection']&.casecmp?('close')
      Response.new(status, headers, body)
    end
  end
end
