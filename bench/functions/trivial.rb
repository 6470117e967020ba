# frozen_string_literal: true

# Returns its event.
def handler(event:, context:)
  event
end
