package example;

import com.amazonaws.services.lambda.runtime.Context;
import com.amazonaws.services.lambda.runtime.LambdaRuntime;
import com.amazonaws.services.lambda.runtime.RequestHandler;
import com.amazonaws.services.lambda.runtime.RequestStreamHandler;
import com.amazonaws.services.lambda.runtime.logging.LogLevel;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.math.BigDecimal;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.time.LocalDate;
import java.time.LocalDateTime;
import java.util.ArrayList;
import java.util.Date;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.UUID;

/** Handlers of every form, each a case of the tests. */
public class Cases implements RequestHandler<Map<String, Object>, Map<String, Object>> {
    public Map<String, Object> handleRequest(Map<String, Object> event, Context context) {
        Map<String, Object> answer = new LinkedHashMap<>(event);
        answer.put("class", event.getClass().getSimpleName());
        return answer;
    }

    // Methods of this class, by their names.
    public String text(String event) {
        return event + " é\u0001\"/</";
    }

    public static int doubled(int event) {
        return event * 2;
    }

    public long wide(long event, Context context) {
        return event + 1;
    }

    public Double halved(Double event) {
        return event / 2;
    }

    public double notANumber() {
        return Double.NaN;
    }

    public boolean not(boolean event) {
        return !event;
    }

    public void nothing(Object event) {}

    public String nullAnswer(Object event) {
        return null;
    }

    public Object anything(Object event) {
        return event == null ? "null" : List.of(event.getClass().getSimpleName(), event);
    }

    public List<Integer> numbers(List<Integer> event) {
        List<Integer> answer = new ArrayList<>(event);
        answer.add(event.size());
        return answer;
    }

    public int[] array(int[] event) {
        return event;
    }

    public Map<String, List<Pet>> pets(Map<String, List<Pet>> event) {
        event.values().forEach(pets -> pets.forEach(pet -> pet.setAge(pet.getAge() + 1)));
        return event;
    }

    public Order order(Order event, Context context) {
        return event;
    }

    public Kinds kinds(Kinds event) {
        return event;
    }

    public Map<String, Object> withNulls() {
        Map<String, Object> answer = new LinkedHashMap<>();
        answer.put("a", null);
        answer.put("b", 1.0f);
        answer.put("c", new Pet());
        answer.put("d", new Object[] {null, 'x', 1e30, 1e-7, 12345678.9, new BigDecimal("1E+5")});
        return answer;
    }

    public Map<String, Object> dates(Dates event) {
        Map<String, Object> answer = new LinkedHashMap<>();
        answer.put("read", event);
        answer.put("instant", Instant.ofEpochSecond(1700000000, 5));
        answer.put("date", new Date(1700000000123L));
        answer.put("local", LocalDate.of(2026, 11, 23));
        answer.put("moment", LocalDateTime.of(2026, 11, 23, 8, 30));
        return answer;
    }

    public Locked locked(Locked event) {
        return event;
    }

    public void streams(InputStream input, OutputStream output) throws IOException {
        output.write(("<" + new String(input.readAllBytes(), StandardCharsets.UTF_8) + ">").getBytes(StandardCharsets.UTF_8));
    }

    public void streamsAndContext(InputStream input, OutputStream output, Context context) throws IOException {
        output.write(context.getFunctionName().getBytes(StandardCharsets.UTF_8));
    }

    public void inputOnly(InputStream input) {}

    public void outputOnly(OutputStream output, Context context) throws IOException {
        output.write("\"out\"".getBytes(StandardCharsets.UTF_8));
    }

    public String contextOnly(Context context) {
        return context.getAwsRequestId();
    }

    public Map<String, Object> context(Object event, Context context) {
        Map<String, Object> answer = new LinkedHashMap<>();
        answer.put("id", context.getAwsRequestId());
        answer.put("group", context.getLogGroupName());
        answer.put("stream", context.getLogStreamName());
        answer.put("name", context.getFunctionName());
        answer.put("version", context.getFunctionVersion());
        answer.put("arn", context.getInvokedFunctionArn());
        answer.put("memory", context.getMemoryLimitInMB());
        answer.put("remains", context.getRemainingTimeInMillis() > 1000);
        answer.put("identity", context.getIdentity() == null ? null : context.getIdentity().getIdentityId());
        answer.put("pool", context.getIdentity() == null ? null : context.getIdentity().getIdentityPoolId());
        if (context.getClientContext() != null) {
            answer.put("custom", context.getClientContext().getCustom());
            answer.put("environment", context.getClientContext().getEnvironment());
            answer.put("title", context.getClientContext().getClient() == null ? null : context.getClientContext().getClient().getAppTitle());
        }
        answer.put("trace", System.getProperty("com.amazonaws.xray.traceHeader"));
        return answer;
    }

    public String overloaded(String event) {
        return "one";
    }

    public String overloaded(String event, Context context) {
        return "two";
    }

    public String overloaded(String event, String other, Context context) {
        return "three";
    }

    public String tooMany(String a, String b, String c, Context context) {
        return "never";
    }

    public String fails(Map<String, String> event) {
        throw new IllegalStateException("it is wrong");
    }

    public String failsWithCause(Map<String, String> event) throws Exception {
        try {
            Integer.parseInt("x");
            return "never";
        } catch (NumberFormatException cause) {
            throw new Exception("outer", cause);
        }
    }

    public String failsWithoutMessage(Map<String, String> event) {
        throw new NullPointerException();
    }

    public String exits(Object event) {
        System.exit(7);
        return "never";
    }

    public String overflows(Object event) {
        return overflows(event) + "x";
    }

    public Node circle(Object event) {
        Node node = new Node();
        node.next = node;
        return node;
    }

    public String logs(Object event, Context context) {
        System.out.println("out");
        System.err.println("err");
        context.getLogger().log("plain\n");
        context.getLogger().log("warned\n", LogLevel.WARN);
        context.getLogger().log("debugged\n", LogLevel.DEBUG);
        context.getLogger().log("bytes\n".getBytes(StandardCharsets.UTF_8));
        LambdaRuntime.getLogger().log("of the runtime\n");
        return "logged";
    }

    private String hidden(String event) {
        return "never";
    }

    public static class Streamed implements RequestStreamHandler {
        public void handleRequest(InputStream input, OutputStream output, Context context) throws IOException {
            input.transferTo(output);
        }
    }

    public static class Failing implements RequestHandler<Pet, Pet> {
        public Pet handleRequest(Pet event, Context context) {
            throw new IllegalArgumentException("no " + event.getName());
        }
    }

    public abstract static class Generic<T, R> implements RequestHandler<T, R> {}

    public static class Concrete extends Generic<Pet, List<Pet>> {
        public List<Pet> handleRequest(Pet event, Context context) {
            return List.of(event, event);
        }
    }

    @SuppressWarnings("rawtypes")
    public static class Raw implements RequestHandler {
        public Object handleRequest(Object event, Context context) {
            return event;
        }
    }

    public static class Unbound<T> implements RequestHandler<T, String> {
        public String handleRequest(T event, Context context) {
            return "never";
        }
    }

    public static class Both implements RequestHandler<String, String>, RequestStreamHandler {
        public String handleRequest(String event, Context context) {
            return "value";
        }

        public void handleRequest(InputStream input, OutputStream output, Context context) throws IOException {
            output.write('1');
        }
    }

    public static class Plain {}

    public static class Broken {
        public Broken() {
            throw new IllegalStateException("no instance");
        }

        public String handle(Object event) {
            return "never";
        }
    }

    public static class BrokenInitialiser {
        static final int VALUE = Integer.parseInt("x");

        public String handle(Object event) {
            return "never";
        }
    }

    public static class NoConstructor implements RequestHandler<String, String> {
        public NoConstructor(int needed) {}

        public String handleRequest(String event, Context context) {
            return "never";
        }
    }

    public class Inner implements RequestHandler<String, String> {
        public String handleRequest(String event, Context context) {
            return "never";
        }
    }

    public static class Node {
        public Node next;
    }

    public static class Pet {
        private String name;
        private int age;
        private Kind kind;

        public enum Kind { CAT, DOG }

        public String getName() {
            return name;
        }

        public void setName(String name) {
            this.name = name;
        }

        public int getAge() {
            return age;
        }

        public void setAge(int age) {
            this.age = age;
        }

        public Kind getKind() {
            return kind;
        }

        public void setKind(Kind kind) {
            this.kind = kind;
        }
    }

    public static class Order extends Pet {
        public String publicField;
        private String hidden = "hidden";
        private boolean open;
        private Boolean boxed;
        private String URL;
        private List<Pet> pets;
        private Optional<String> note = Optional.empty();

        public boolean isOpen() {
            return open;
        }

        public void setOpen(boolean open) {
            this.open = open;
        }

        public Boolean getBoxed() {
            return boxed;
        }

        public void setBoxed(Boolean boxed) {
            this.boxed = boxed;
        }

        public String getURL() {
            return URL;
        }

        public void setURL(String url) {
            URL = url;
        }

        public List<Pet> getPets() {
            return pets;
        }

        public void setPets(List<Pet> pets) {
            this.pets = pets;
        }

        public Optional<String> getNote() {
            return note;
        }

        public void setNote(Optional<String> note) {
            this.note = note;
        }

        public int getDerived() {
            return 42;
        }
    }

    public static class Kinds {
        public byte b;
        public short s;
        public float f;
        public char c;
        public Long boxed;
        public BigDecimal big;
        public byte[] bytes;
        public ByteBuffer buffer;
        public UUID uuid;
        public Set<String> set;
        public TreeMap<Integer, Boolean> tree;
        public String[] words;
        public Object any;
        public Map<Pet.Kind, Pet> byKind;
    }

    public static class Dates {
        public Date date;
        public Instant instant;
        public LocalDate local;
        public LocalDateTime moment;
    }

    public static class Locked {
        public final int value;

        public Locked(int value) {
            this.value = value;
        }
    }
}
