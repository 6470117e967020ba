import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;

/** Returns its event. */
public final class Trivial {
    public void handle(InputStream event, OutputStream answer) throws IOException {
        event.transferTo(answer);
    }
}
