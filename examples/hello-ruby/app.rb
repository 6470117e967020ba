# Greets whoever the event names, and says how much time was left.

require 'logger'

LOGGER = Logger.new($stdout)

def handler(event:, context:)
  name = event.fetch('name', 'world')
  LOGGER.info("greeting #{name}")
  {
    message: "Hello, #{name}!",
    function: context.function_name,
    requestId: context.aws_request_id,
    remainingMillis: context.get_remaining_time_in_millis
  }
end
