/* A relay in C: pairs sockets by path and forwards every frame to both sides. With a file, it writes
 * all frames of one turn of its loop there and syncs once before it forwards them: the least that a
 * durable message can cost on this machine.
 *
 *   cc -O2 -o relay relay.c && ./relay PORT [FILE]
 *
 * A yardstick and no server: it trusts its clients, knows text frames of up to 64 KiB in one piece,
 * and ends when a client surprises it.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define MOST 65536
#define EVENTS 1024

struct buffer {
    char *data;
    size_t size, room;
};

struct client {
    int fd, is_open, is_writing;
    char path[128];
    struct client *peer;
    struct buffer in, out;
};

/* Frames of this turn, in order: whom they go to, and where they are in `turn`. */
struct letter {
    struct client *from;
    size_t start, size;
};

static struct client *clients[MOST];
static struct buffer turn;
static struct letter *letters;
static size_t letters_count, letters_room;
static int poll_fd, log_fd = -1;

static void die(const char *what) {
    perror(what);
    exit(1);
}

static void add(struct buffer *buffer, const void *data, size_t size) {
    if (buffer->size + size > buffer->room) {
        buffer->room = (buffer->size + size) * 2;
        buffer->data = realloc(buffer->data, buffer->room);
        if (!buffer->data) die("memory");
    }
    memcpy(buffer->data + buffer->size, data, size);
    buffer->size += size;
}

static void take(struct buffer *buffer, size_t size) {
    memmove(buffer->data, buffer->data + size, buffer->size - size);
    buffer->size -= size;
}

/* --- The handshake: SHA-1 and base64 -------------------------------------------------------- */

static uint32_t turn_left(uint32_t x, int by) { return x << by | x >> (32 - by); }

static void sha1(const char *text, size_t size, unsigned char digest[20]) {
    uint32_t h[5] = {0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476, 0xC3D2E1F0};
    unsigned char block[256] = {0};
    size_t total = (size + 9 + 63) / 64 * 64;
    memcpy(block, text, size);
    block[size] = 0x80;
    for (int i = 0; i < 8; i++) block[total - 1 - i] = (unsigned char)((uint64_t)size * 8 >> 8 * i);
    for (size_t at = 0; at < total; at += 64) {
        uint32_t w[80], a = h[0], b = h[1], c = h[2], d = h[3], e = h[4];
        for (int i = 0; i < 16; i++) {
            const unsigned char *p = block + at + 4 * i;
            w[i] = (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
        }
        for (int i = 16; i < 80; i++) w[i] = turn_left(w[i - 3] ^ w[i - 8] ^ w[i - 14] ^ w[i - 16], 1);
        for (int i = 0; i < 80; i++) {
            uint32_t f, k;
            if (i < 20) f = (b & c) | (~b & d), k = 0x5A827999;
            else if (i < 40) f = b ^ c ^ d, k = 0x6ED9EBA1;
            else if (i < 60) f = (b & c) | (b & d) | (c & d), k = 0x8F1BBCDC;
            else f = b ^ c ^ d, k = 0xCA62C1D6;
            uint32_t next = turn_left(a, 5) + f + e + k + w[i];
            e = d, d = c, c = turn_left(b, 30), b = a, a = next;
        }
        h[0] += a, h[1] += b, h[2] += c, h[3] += d, h[4] += e;
    }
    for (int i = 0; i < 20; i++) digest[i] = (unsigned char)(h[i / 4] >> (24 - 8 * (i % 4)));
}

static void base64(const unsigned char *bytes, char text[29]) {
    static const char letter[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    int at = 0;
    for (int i = 0; i < 20; i += 3) {
        uint32_t three = (uint32_t)bytes[i] << 16 | (uint32_t)bytes[i + 1] << 8;
        if (i + 2 < 20) three |= bytes[i + 2];
        for (int j = 0; j < 4; j++) text[at++] = letter[three >> (18 - 6 * j) & 63];
    }
    text[27] = '=';
    text[28] = 0;
}

static int shake_hands(struct client *client) {
    static const char magic[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11", name[] = "sec-websocket-key:";
    char key[128], answer[256], accept[29];
    unsigned char digest[21] = {0};
    add(&client->in, "", 1);
    client->in.size--;
    char *end = strstr(client->in.data, "\r\n\r\n"), *found = strcasestr(client->in.data, name);
    if (!end) return 0;
    if (!found || sscanf(client->in.data, "GET %127s", client->path) != 1) return -1;
    if (sscanf(found + sizeof name - 1, " %60s", key) != 1) return -1;
    strcat(key, magic);
    sha1(key, strlen(key), digest);
    base64(digest, accept);
    int size = snprintf(answer, sizeof answer,
                        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                        "Connection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n", accept);
    add(&client->out, answer, (size_t)size);
    take(&client->in, (size_t)(end + 4 - client->in.data));
    client->is_open = 1;
    for (int fd = 0; fd < MOST; fd++) {
        struct client *other = clients[fd];
        if (other && other != client && other->is_open && !strcmp(other->path, client->path)) {
            client->peer = other;
            other->peer = client;
        }
    }
    return 1;
}

/* --- Frames ---------------------------------------------------------------------------------- */

static void forget(struct client *client) {
    if (client->peer) client->peer->peer = NULL;
    for (size_t i = 0; i < letters_count; i++)
        if (letters[i].from == client) letters[i].from = NULL;
    clients[client->fd] = NULL;
    close(client->fd);
    free(client->in.data);
    free(client->out.data);
    free(client);
}

static void flush(struct client *client) {
    while (client->out.size) {
        ssize_t sent = send(client->fd, client->out.data, client->out.size, MSG_NOSIGNAL);
        if (sent <= 0) break;
        take(&client->out, (size_t)sent);
    }
    int wants = client->out.size > 0;
    if (wants != client->is_writing) {
        struct epoll_event event = {.events = EPOLLIN | (wants ? EPOLLOUT : 0), .data.fd = client->fd};
        epoll_ctl(poll_fd, EPOLL_CTL_MOD, client->fd, &event);
        client->is_writing = wants;
    }
}

/* Put every whole frame into this turn, unmasked. Returns -1 when the client says goodbye. */
static int read_frames(struct client *client) {
    size_t at = 0;
    int result = 0;
    while (client->in.size - at >= 6) {
        unsigned char *head = (unsigned char *)client->in.data + at;
        size_t size = head[1] & 127, skip = 2;
        if (size == 126) {
            if (client->in.size - at < 8) break;
            size = (size_t)head[2] << 8 | head[3], skip = 4;
        }
        if (client->in.size - at < skip + 4 + size) break;
        unsigned char *mask = head + skip, *text = mask + 4;
        if ((head[0] & 15) == 8) {
            result = -1;
            break;
        }
        if ((head[0] & 15) == 1) {
            for (size_t i = 0; i < size; i++) text[i] ^= mask[i & 3];
            if (letters_count == letters_room) {
                letters_room = letters_room ? letters_room * 2 : 1024;
                letters = realloc(letters, letters_room * sizeof *letters);
                if (!letters) die("memory");
            }
            letters[letters_count++] = (struct letter){client, turn.size, size};
            add(&turn, text, size);
        }
        at += skip + 4 + size;
    }
    take(&client->in, at);
    return result;
}

static void deliver(struct client *client, const char *text, size_t size) {
    unsigned char head[4] = {0x81, (unsigned char)size};
    size_t skip = 2;
    if (size > 125) head[1] = 126, head[2] = (unsigned char)(size >> 8), head[3] = (unsigned char)size, skip = 4;
    add(&client->out, head, skip);
    add(&client->out, text, size);
}

static void end_turn(void) {
    if (turn.size && log_fd >= 0) {
        if (write(log_fd, turn.data, turn.size) != (ssize_t)turn.size) die("write");
        if (fdatasync(log_fd)) die("fdatasync");
    }
    for (size_t i = 0; i < letters_count; i++) {
        struct client *from = letters[i].from;
        if (!from) continue;
        deliver(from, turn.data + letters[i].start, letters[i].size);
        if (from->peer) deliver(from->peer, turn.data + letters[i].start, letters[i].size);
    }
    for (size_t i = 0; i < letters_count; i++) {
        struct client *from = letters[i].from;
        if (!from) continue;
        flush(from);
        if (from->peer) flush(from->peer);
    }
    turn.size = letters_count = 0;
}

static void welcome(int listener) {
    for (;;) {
        int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK), on = 1;
        if (fd < 0) return;
        if (fd >= MOST) die("too many clients");
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        clients[fd] = calloc(1, sizeof **clients);
        if (!clients[fd]) die("memory");
        clients[fd]->fd = fd;
        struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
        epoll_ctl(poll_fd, EPOLL_CTL_ADD, fd, &event);
    }
}

static void hear(struct client *client) {
    static char chunk[65536];
    ssize_t size = recv(client->fd, chunk, sizeof chunk, 0);
    if (size == 0 || (size < 0 && errno != EAGAIN)) {
        forget(client);
        return;
    }
    if (size < 0) return;
    add(&client->in, chunk, (size_t)size);
    int state = client->is_open ? 1 : shake_hands(client);
    if (state > 0) state = read_frames(client);
    if (state < 0) forget(client);
    else flush(client);
}

int main(int argc, char **argv) {
    if (argc < 2) return 2;
    struct rlimit limit = {MOST, MOST};
    setrlimit(RLIMIT_NOFILE, &limit);
    if (argc > 2 && (log_fd = open(argv[2], O_CREAT | O_TRUNC | O_WRONLY | O_APPEND, 0600)) < 0) die("open");
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), on = 1;
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    struct sockaddr_in here = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(argv[1]))};
    here.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (bind(listener, (struct sockaddr *)&here, sizeof here) || listen(listener, 4096)) die("listen");
    poll_fd = epoll_create1(0);
    struct epoll_event event = {.events = EPOLLIN, .data.fd = listener}, events[EVENTS];
    epoll_ctl(poll_fd, EPOLL_CTL_ADD, listener, &event);
    for (;;) {
        int count = epoll_wait(poll_fd, events, EVENTS, -1);
        for (int i = 0; i < count; i++) {
            struct client *client = clients[events[i].data.fd];
            if (events[i].data.fd == listener) welcome(listener);
            else if (client && events[i].events & EPOLLIN) hear(client);
            else if (client && events[i].events & EPOLLOUT) flush(client);
            else if (client) forget(client);
        }
        end_turn();
    }
}
