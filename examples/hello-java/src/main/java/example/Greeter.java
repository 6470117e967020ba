package example;

import com.amazonaws.services.lambda.runtime.Context;
import com.amazonaws.services.lambda.runtime.RequestHandler;

/** Greets whoever the event names, and says how much time was left. */
public class Greeter implements RequestHandler<Greeter.Event, Greeter.Greeting> {
    @Override
    public Greeting handleRequest(Event event, Context context) {
        String name = event.name == null ? "world" : event.name;
        context.getLogger().log("greeting " + name + "\n");
        Greeting greeting = new Greeting();
        greeting.message = "Hello, " + name + "!";
        greeting.function = context.getFunctionName();
        greeting.requestId = context.getAwsRequestId();
        greeting.remainingMillis = context.getRemainingTimeInMillis();
        return greeting;
    }

    /** What the function is invoked with. */
    public static class Event {
        public String name;
    }

    /** What it answers. */
    public static class Greeting {
        public String message;
        public String function;
        public String requestId;
        public int remainingMillis;
    }
}
