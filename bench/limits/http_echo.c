// What the kernel allows over HTTP: an epoll loop that answers each whole head with constant bytes
// and keeps nothing. cc -O2 -o http_echo bench/limits/http_echo.c && ./http_echo PORT
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "epoll_server.h"

enum { EVENTS = 256, ROOM = 65536, PEERS = 25, ANSWER_MAX = 512 };

static char in[ROOM], out[ROOM], one[ANSWER_MAX];

int main(int argc, char **argv) {
  char body[ANSWER_MAX], peers[6 * PEERS];
  memset(peers, 1, sizeof peers);
  int body_length = snprintf(body, sizeof body,
      "d8:completei1000e10:incompletei1000e8:intervali900e5:peers%zu:", sizeof peers);
  memcpy(body + body_length, peers, sizeof peers);
  body_length += sizeof peers;
  body[body_length++] = 'e';
  int one_length = snprintf(one, sizeof one,
      "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", body_length);
  memcpy(one + one_length, body, body_length);
  one_length += body_length;

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
      int ready = 0, is_last = length <= 0;
      for (char *at = in; length > 0; ) { // requests come whole: each is one small write
        char *end = memmem(at, in + length - at, "\r\n\r\n", 4);
        if (end == NULL) break;
        is_last |= memmem(at, end - at, "Connection: close", 17) != NULL;
        if (ready + one_length <= ROOM) memcpy(out + ready, one, one_length), ready += one_length;
        at = end + 4;
      }
      if (ready > 0) is_last |= write(fd, out, ready) != ready;
      if (is_last) close(fd);
    }
  }
}
