import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.io.ByteArrayInputStream;

/** Posts the same JSON with Java's own client, as its defaults have it; a line for each answer. */
class Ask {
    public static void main(String[] told) throws Exception {
        byte[] body = told[1].getBytes("UTF-8");
        // a new client offers HTTP/2 with its first request
        say(HttpClient.newHttpClient(), request(told[0], BodyPublishers.ofByteArray(body)));
        // a body of unknown length goes out in chunks
        var unknown = BodyPublishers.ofInputStream(() -> new ByteArrayInputStream(body));
        say(HttpClient.newHttpClient(), request(told[0], unknown));
        var client = HttpClient.newHttpClient();
        say(client, request(told[0], BodyPublishers.ofByteArray(body)).expectContinue(true));
        say(client, request(told[0], BodyPublishers.ofByteArray(body)));
    }

    static HttpRequest.Builder request(String url, HttpRequest.BodyPublisher body) {
        return HttpRequest.newBuilder(URI.create(url)).header("Content-Type", "application/json").POST(body);
    }

    static void say(HttpClient client, HttpRequest.Builder request) throws Exception {
        HttpResponse<String> answer = client.send(request.build(), BodyHandlers.ofString());
        System.out.println(answer.statusCode() + " " + answer.body());
    }
}
