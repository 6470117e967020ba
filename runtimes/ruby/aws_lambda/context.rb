# frozen_string_literal: true

# What a handler is told of its invocation. https://docs.aws.amazon.com/lambda/latest/dg/ruby-context.html
#
# It refuses to be changed by anyone.

# Global, as in AWS's runtime: people's code and tests name it.
class LambdaContext
  attr_reader :aws_request_id, :invoked_function_arn, :log_group_name, :log_stream_name, :function_name,
              :memory_limit_in_mb, :function_version, :identity, :client_context, :deadline_ms

  # `request` gives the headers of the invocation by name.
  def initialize(request)
    # The monotonic clock counts: a change of the wall clock within an invocation moves no deadline.
    @wall_ahead_ms = now_ms(Process::CLOCK_REALTIME) - now_ms(Process::CLOCK_MONOTONIC)
    @deadline_ms = request['Lambda-Runtime-Deadline-Ms'].to_i
    @aws_request_id = request['Lambda-Runtime-Aws-Request-Id']
    @invoked_function_arn = request['Lambda-Runtime-Invoked-Function-Arn']
    @log_group_name = ENV['AWS_LAMBDA_LOG_GROUP_NAME']
    @log_stream_name = ENV['AWS_LAMBDA_LOG_STREAM_NAME']
    @function_name = ENV['AWS_LAMBDA_FUNCTION_NAME']
    @memory_limit_in_mb = ENV['AWS_LAMBDA_FUNCTION_MEMORY_SIZE']
    @function_version = ENV['AWS_LAMBDA_FUNCTION_VERSION']
    @identity = parse(request['Lambda-Runtime-Cognito-Identity'])
    @client_context = parse(request['Lambda-Runtime-Client-Context'])
  end

  # Milliseconds until the invocation times out; never below 0.
  def get_remaining_time_in_millis # rubocop:disable Naming/AccessorMethodName -- AWS's name
    [@deadline_ms - now_ms(Process::CLOCK_MONOTONIC) - @wall_ahead_ms, 0].max
  end

  private

  def now_ms(clock)
    Process.clock_gettime(clock, :millisecond)
  end

  def parse(json)
    JSON.parse(json) unless json.to_s.empty?
  end
end
