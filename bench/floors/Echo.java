import java.io.DataInputStream;
import java.io.EOFException;
import java.io.FileDescriptor;
import java.io.FileInputStream;
import java.io.FileOutputStream;
import java.io.IOException;

/**
 * The floor under a Java function: one plain process that hands back what it is sent, with its length before it. With an
 * argument it says which Java this is, or that it has come so far.
 */
public final class Echo {
    public static void main(String[] arguments) throws IOException {
        if (arguments.length > 0) {
            String version = System.getProperty("java.specification.version");
            System.out.println("java" + version + " " + System.getProperty("java.home") + "/bin/java");
            return;
        }
        DataInputStream input = new DataInputStream(new FileInputStream(FileDescriptor.in));
        // The standard input is a socket, which takes the answers too.
        FileOutputStream output = new FileOutputStream(FileDescriptor.in);
        while (true) {
            int length;
            try {
                length = input.readInt();
            } catch (EOFException end) {
                return;
            }
            byte[] message = new byte[4 + length];
            for (int place = 0; place < 4; place++) {
                message[place] = (byte) (length >> (24 - 8 * place));
            }
            input.readFully(message, 4, length);
            output.write(message);
        }
    }
}
