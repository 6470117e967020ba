# frozen_string_literal: true

# Between bytes and Ruby's values. AWS lets a function define these two methods anew, so their names and what they take
# and give are AWS's. https://docs.aws.amazon.com/lambda/latest/dg/ruby-handler.html
#
# It refuses nothing: what cannot be JSON raises, and that is the function's error.

require 'json'
require 'stringio'

module AwsLambda
  # Reads events and writes answers.
  class Marshaller
    # The content type of what is handed over as it is.
    UNKNOWN = 'application/unknown'

    class << self
      # The event: JSON, or else the body as it came.
      def marshall_request(request)
        request['Content-Type'] == 'application/json' ? JSON.parse(request.body) : request.body
      end

      # JSON; or the bytes of an IO, with their content type.
      def marshall_response(response)
        case response
        when StringIO, IO then [response, UNKNOWN]
        else response.to_json
        end
      end
    end
  end
end
