# frozen_string_literal: true

# What went wrong, as the Runtime API and the log are told it.
#
# It refuses to show frames of the runtime itself: a stack trace is the function's.

module AwsLambda
  # No further invocation can be had.
  class InvocationError < StandardError; end

  # Something raised, and in which part: `Function<NameError>`.
  class Error < StandardError
    # Of others only that they are the user's is told to the platform.
    TOLD = %w[ArgumentError NoMethodError Exception StandardError NameError LoadError SystemExit SystemStackError].freeze
    FRAMES_MAX = 100
    RUNTIME_DIRECTORY = "#{File.dirname(__dir__)}/"

    def initialize(original, part = 'Function')
      @original_class = original.class.to_s
      @type = "#{part}<#{@original_class}>"
      @original_message = original.message
      @frames = frames(original)
      super(@original_message)
    end

    # `Lambda-Runtime-Function-Error-Type`.
    def reported_type
      TOLD.include?(@original_class) ? @type : 'Function<UserException>'
    end

    # The error document.
    def to_h
      { errorMessage: @original_message, errorType: @type, stackTrace: @frames }
    end

    private

    def frames(original)
      locations = (original.backtrace_locations || []).first(FRAMES_MAX)
      locations.take_while { |frame| !frame.path.start_with?(RUNTIME_DIRECTORY) }.map(&:to_s)
    end
  end

  # The handler raised; the environment goes on.
  class HandlerError < Error; end

  # The handler raised what no environment outlives.
  class CriticalError < Error; end

  # An answer could not be handed over.
  class UnansweredError < Error
    def initialize(original)
      super(original, 'Runtime')
    end
  end

  # The function could not be loaded.
  class InitError < Error
    def initialize(original)
      super(original, 'Init')
    end
  end
end
