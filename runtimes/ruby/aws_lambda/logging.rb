# frozen_string_literal: true

# The log: what the runtime itself says, and Ruby's Logger writing lines as AWS's runtime has them.
# https://docs.aws.amazon.com/lambda/latest/dg/ruby-logging.html
#
# It refuses to touch loggers that write elsewhere than to standard output or standard error.

require 'json'
require 'logger'

module AwsLambda
  # How lines are written.
  module Logging
    # Text: `I, [2026-11-23T08:00:00.000000 #8]  INFO 8476a536-… -- progname: message`.
    class TextFormatter < Logger::Formatter
      def call(severity, time, progname, message)
        text = format('%<initial>s, [%<time>s #%<process>d] %<severity>5s %<request>s -- %<progname>s: %<message>s',
                      initial: severity[0], time: format_datetime(time), process: Process.pid, severity: severity,
                      request: $_global_aws_request_id, progname: progname, message: msg2str(message))
        Logging.event(Logging.clean(text))
      end
    end

    # One JSON object a line.
    class JsonFormatter < Logger::Formatter
      def call(severity, time, progname, message)
        line = { timestamp: time.utc.strftime('%Y-%m-%dT%H:%M:%S.%6NZ'), level: severity,
                 message: Logging.clean(message.is_a?(Exception) ? message.message : msg2str(message)),
                 requestId: $_global_aws_request_id }
        line[:logger] = Logging.clean(progname) unless progname.to_s.empty?
        line.merge!(details(message)) if message.is_a?(Exception)
        "#{JSON.generate(line.compact)}\n"
      end

      private

      def details(error)
        frames = Array(error.backtrace).map { |frame| Logging.clean(frame) }
        { errorType: error.class.to_s, errorMessage: Logging.clean(error.message), stackTrace: frames,
          location: frames.first&.sub(/\A(.+):(\d+):in [`'](.+)'\z/, '\1:\3:\2') }
      end
    end

    # Prepended to Logger: those on standard output or standard error get the formatter and the level of the function.
    module Patch
      def initialize(device, *rest, level: nil, **options)
        standard = device.nil? || device == $stdout || device == $stderr
        super(standard ? $stdout : device, *rest, level: level || (standard ? Logging.level : 'debug'), **options)
        @default_formatter = Logging.json? ? JsonFormatter.new : TextFormatter.new if standard
      end
    end

    # Lambda's names of levels that Ruby does not have.
    LEVELS = { 'TRACE' => 'debug', 'FATAL' => 'fatal' }.freeze

    module_function

    def set_up
      Logger.prepend(Patch)
    end

    def json?
      ENV['AWS_LAMBDA_LOG_FORMAT'] == 'JSON'
    end

    # The least severe level that is written by a logger whose level nobody sets.
    def level
      name = ENV['AWS_LAMBDA_LOG_LEVEL'].to_s
      return 'debug' if name.empty? || !json?

      LEVELS.fetch(name.upcase, name.downcase)
    end

    # A failure of the function, before it is reported.
    def error(text, failure)
      return puts(JSON.generate(line(text, failure))) if json?

      $stdout.write(event(text), event(JSON.pretty_generate(failure.to_h)))
    end

    # A message of several lines is one of the log with carriage returns, so that it stays one event.
    def event(message)
      "#{message.chomp.gsub("\n", "\r")}\n"
    end

    def line(text, failure)
      { timestamp: Time.now.utc.strftime('%Y-%m-%dT%H:%M:%S.%6NZ'), level: 'ERROR', message: text,
        requestId: $_global_aws_request_id, **failure.to_h }.compact
    end

    def clean(text)
      text.to_s.encode('UTF-8', invalid: :replace, undef: :replace, replace: '�')
    end
  end
end
