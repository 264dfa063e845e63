// What the kernel allows over HTTP: an epoll loop that answers each whole head with constant bytes
// and keeps nothing. cc -O2 -o http_echo bench/limits/http_echo.c && ./http_echo PORT
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

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

  int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), on = 1;
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(atoi(argv[argc - 1]))};
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (bind(listener, (struct sockaddr *)&address, sizeof address) != 0) return 69;
  listen(listener, 1024);
  int epoll = epoll_create1(0);
  struct epoll_event event = {.events = EPOLLIN, .data.fd = listener}, events[EVENTS];
  epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event);
  for (;;) {
    int count = epoll_wait(epoll, events, EVENTS, -1);
    for (int i = 0; i < count; ++i) {
      int fd = events[i].data.fd;
      if (fd == listener) {
        int client = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
        if (client < 0) continue;
        setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        event = (struct epoll_event){.events = EPOLLIN, .data.fd = client};
        epoll_ctl(epoll, EPOLL_CTL_ADD, client, &event);
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
