# frozen_string_literal: true

# Finds the method that the handler's name means, `file.method` or `file.Module::Class.method`, and calls it.
# https://docs.aws.amazon.com/lambda/latest/dg/ruby-handler.html
#
# It refuses other forms before any user code runs.

require_relative 'errors'

# Global, and with AWS's names of what it knows: a NameError's message shows the object that a handler of the top level
# is called on.
class LambdaHandler
  # What to require.
  attr_reader :handler_file_name

  def initialize(name)
    parts = name.split('.')
    case parts.size
    when 2 then @handler_file_name, @handler_method_name = parts
    when 3 then @handler_file_name, @handler_class, @handler_method_name = parts
    else
      raise ArgumentError, "Invalid handler #{parts}, must be of form FILENAME.METHOD or FILENAME.CLASS.METHOD where " \
                           'FILENAME corresponds with an existing Ruby source file FILENAME.rb, CLASS is an optional ' \
                           'module/class namespace and METHOD is a callable method. If using CLASS, METHOD must be a ' \
                           'class-level method.'
    end
  end

  # Returns the answer's body, and its content type unless that is JSON.
  def call(event, context)
    receiver = @handler_class ? Kernel.const_get(@handler_class) : self
    # Methods of a file's top level are private ones of every object.
    response = receiver.__send__(@handler_method_name, event: event, context: context)
    AwsLambda::Marshaller.marshall_response(response)
  rescue NameError => error # and NoMethodError: the code is wrong, not the event
    raise AwsLambda::CriticalError, error
  rescue StandardError => error
    raise AwsLambda::HandlerError, error
  rescue Exception => error # rubocop:disable Lint/RescueException -- exit, and what else no environment outlives
    raise AwsLambda::CriticalError, error
  end
end
