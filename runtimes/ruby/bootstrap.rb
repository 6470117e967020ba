# frozen_string_literal: true

# The Ruby runtime's entry: `ruby bootstrap.rb` loads the function that `_HANDLER` names and answers invocations with it.
#
# It stands on Ruby's standard library alone, from 3.1 on. What users' code may name (`AwsLambda::Marshaller`,
# `LambdaContext`, `$_global_aws_request_id`) has AWS's names; the code is Hearth's. It refuses to know what is a
# gem and what is not: RubyGems finds them where GEM_PATH says.

$stdout.sync = true
$stderr.sync = true

# The part of `socket` that is no gem's: a stem cell can load it before it knows what the function brings.
require 'socket.so'
require_relative 'aws_lambda/cell'

AwsLambda::Cell.become_function do
  require 'json'
  require_relative 'aws_lambda/client'
  require_relative 'aws_lambda/context'
  require_relative 'aws_lambda/errors'
  require_relative 'aws_lambda/handler'
  require_relative 'aws_lambda/logging'
  require_relative 'aws_lambda/marshaller'
end

module AwsLambda
  # Initialises the function and answers invocations until the process is to end.
  class Runtime
    # The exit statuses of AWS's runtime.
    CRITICAL, UNANSWERABLE, INIT_FAILED = -1, -2, -4

    def initialize(client)
      @client = client
      @exit_status = nil
    end

    # Returns the status to exit with.
    def run(task_root, handler_name)
      handler = handler_in(task_root, handler_name)
      answer(handler) until @exit_status
      @exit_status
    end

    private

    # Loads it. When that fails there is a status to exit with.
    def handler_in(task_root, name)
      $LOAD_PATH.unshift(task_root) unless $LOAD_PATH.include?(task_root)
      handler = LambdaHandler.new(name)
      require handler.handler_file_name
      handler
    rescue Exception => error # rubocop:disable Lint/RescueException -- whatever user code raises while it is loaded
      failure = InitError.new(error)
      # AWS: the text ends where the handler's name was to be.
      Logging.error('Init error when loading handler ', failure)
      @client.post_init_error(failure)
      @exit_status = INIT_FAILED
      nil
    end

    def answer(handler)
      request = @client.next_invocation
      id = request['Lambda-Runtime-Aws-Request-Id']
      # Part of what AWS's runtime lets people see: their own log formatters read it.
      $_global_aws_request_id = id
      trace = request['Lambda-Runtime-Trace-Id']
      ENV['_X_AMZN_TRACE_ID'] = trace if trace
      body, content_type = handler.call(Marshaller.marshall_request(request), LambdaContext.new(request))
      @client.post_response(id, body, content_type)
    rescue HandlerError => error
      Logging.error('Error raised from handler method', error)
      @client.post_error(id, error)
    rescue CriticalError => error
      Logging.error('Critical exception from handler', error)
      @client.post_error(id, error)
      @exit_status = CRITICAL
    rescue UnansweredError => error
      @client.post_error(id, error)
      @exit_status = UNANSWERABLE
    end
  end
end

AwsLambda::Logging.set_up
client = AwsLambda::Client.new(ENV.fetch('AWS_LAMBDA_RUNTIME_API'))
exit AwsLambda::Runtime.new(client).run(ENV.fetch('LAMBDA_TASK_ROOT', Dir.pwd), ENV.fetch('_HANDLER'))
