# frozen_string_literal: true

# Finds the method that the handler's name means, `file.method` or `file.Module::Class.method`, and calls it.
# https://docs.aws.amazon.com/lambda/latest/dg/ruby-handler.html
#
# It refuses other forms before any user code runs.

require_relative 'errors'

module AwsLambda
  # One function's handler.
  class Handler
    # What to require.
    attr_reader :file

    def initialize(name)
      parts = name.split('.')
      case parts.size
      when 2 then @file, @method = parts
      when 3 then @file, @class, @method = parts
      else
        raise ArgumentError, "Invalid handler #{parts}, must be of form FILENAME.METHOD or FILENAME.CLASS.METHOD where " \
                             'FILENAME corresponds with an existing Ruby source file FILENAME.rb, CLASS is an optional ' \
                             'module/class namespace and METHOD is a callable method. If using CLASS, METHOD must be a ' \
                             'class-level method.'
      end
    end

    # Returns the answer's body, and its content type unless that is JSON.
    def call(event, context)
      receiver = @class ? Kernel.const_get(@class) : self
      # Methods of a file's top level are private ones of every object.
      response = receiver.__send__(@method, event: event, context: context)
      Marshaller.marshall_response(response)
    rescue NameError => error # and NoMethodError: the code is wrong, not the event
      raise CriticalError, error
    rescue StandardError => error
      raise HandlerError, error
    rescue Exception => error # rubocop:disable Lint/RescueException -- exit, and what else no environment outlives
      raise CriticalError, error
    end
  end
end
