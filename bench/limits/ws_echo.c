// What the kernel allows over WebSocket: an epoll loop that upgrades connections, and answers every
// read with a constant reply to an announce of its info hash. It keeps and relays nothing.
// cc -O2 -o ws_echo bench/limits/ws_echo.c && ./ws_echo PORT
#define _GNU_SOURCE
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "epoll_server.h"

enum { EVENTS = 256, ROOM = 65536, ID = 20, KEY = 24, MASK = 4, PAYLOAD = 8 };

// Requests and replies of the load test begin alike, up to the info hash.
#define BEGIN "{\"action\":\"announce\",\"info_hash\":\""
#define END "\",\"interval\":120,\"complete\":1,\"incomplete\":1}"
enum { BEGIN_LENGTH = sizeof BEGIN - 1, REPLY = 2 + BEGIN_LENGTH + ID + sizeof END - 1 };

static uint8_t in[ROOM];

static uint32_t roll(uint32_t value, int bits) { return value << bits | value >> (32 - bits); }

// SHA-1 of at most 119 bytes (FIPS 180-4): a key and its suffix have 60.
static void sha1(const uint8_t *text, size_t length, uint8_t *digest) {
  uint8_t blocks[128] = {0};
  uint32_t h[5] = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0};
  memcpy(blocks, text, length);
  blocks[length] = 0x80;
  blocks[126] = length * 8 >> 8, blocks[127] = length * 8;
  for (int block = 0; block < 128; block += 64) {
    uint32_t w[80], v[5];
    for (int i = 0; i < 16; ++i) memcpy(&w[i], blocks + block + 4 * i, 4), w[i] = ntohl(w[i]);
    for (int i = 16; i < 80; ++i) w[i] = roll(w[i - 3] ^ w[i - 8] ^ w[i - 14] ^ w[i - 16], 1);
    memcpy(v, h, sizeof v);
    for (int i = 0; i < 80; ++i) {
      uint32_t f = i < 20   ? ((v[1] & v[2]) | (~v[1] & v[3])) + 0x5a827999
                   : i < 40 ? (v[1] ^ v[2] ^ v[3]) + 0x6ed9eba1
                   : i < 60 ? ((v[1] & v[2]) | (v[1] & v[3]) | (v[2] & v[3])) + 0x8f1bbcdc
                            : (v[1] ^ v[2] ^ v[3]) + 0xca62c1d6;
      uint32_t next = roll(v[0], 5) + f + v[4] + w[i];
      v[4] = v[3], v[3] = v[2], v[2] = roll(v[1], 30), v[1] = v[0], v[0] = next;
    }
    for (int i = 0; i < 5; ++i) h[i] += v[i];
  }
  for (int i = 0; i < 5; ++i) h[i] = htonl(h[i]), memcpy(digest + 4 * i, &h[i], 4);
}

// Writes the answer to an upgrade request, which came whole.
static int upgrade(int fd, const uint8_t *head, size_t length) {
  static const char name[] = "sec-websocket-key: ",
      suffix[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11",
      digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  char text[ROOM], answer[256], accept[29];
  memcpy(text, head, length), text[length < ROOM ? length : ROOM - 1] = 0;
  char *key = strcasestr(text, name);
  if (key == NULL || strlen(key) < sizeof name + KEY) return 0;
  uint8_t joined[KEY + sizeof suffix], digest[ID + 1] = {0};
  memcpy(joined, key + sizeof name - 1, KEY);
  memcpy(joined + KEY, suffix, sizeof suffix);
  sha1(joined, KEY + sizeof suffix - 1, digest);
  for (int i = 0; i < 28; ++i) { // base64: six bits a digit
    int bit = 6 * i, pair = digest[bit / 8] << 8 | digest[bit / 8 + (bit / 8 < ID)];
    accept[i] = digits[pair >> (10 - bit % 8) & 63];
  }
  accept[27] = '=', accept[28] = 0;
  int answered = snprintf(answer, sizeof answer, "HTTP/1.1 101 Switching Protocols\r\n"
      "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n", accept);
  return write(fd, answer, answered) == answered;
}

int main(int argc, char **argv) {
  uint8_t reply[REPLY];
  reply[0] = 0x81, reply[1] = REPLY - 2;
  memcpy(reply + 2, BEGIN, BEGIN_LENGTH);
  memcpy(reply + 2 + BEGIN_LENGTH + ID, END, sizeof END - 1);

  int listener = open_listener(atoi(argv[argc - 1])), epoll = epoll_create1(0);
  if (listener < 0) return 69;
  struct epoll_event events[EVENTS];
  watch(epoll, listener);
  for (;;) {
    int count = epoll_wait(epoll, events, EVENTS, -1);
    for (int i = 0; i < count; ++i) {
      int fd = events[i].data.fd;
      if (fd == listener) {
        take_client(epoll, listener);
        continue;
      }
      ssize_t length = read(fd, in, ROOM);
      int is_well = length > 0;
      if (is_well && in[0] == 'G') {
        is_well = upgrade(fd, in, length);
      } else if (is_well) {
        for (int id = 0; id < ID; ++id) {
          int place = BEGIN_LENGTH + id;
          reply[2 + place] = in[PAYLOAD + place] ^ in[MASK + (place & 3)];
        }
        is_well = write(fd, reply, REPLY) == REPLY;
      }
      if (!is_well) close(fd);
    }
  }
}
