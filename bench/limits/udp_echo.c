// What the kernel allows over UDP: batches in, constant bytes of an answer's length out, nothing
// kept. cc -O2 -o udp_echo bench/limits/udp_echo.c && ./udp_echo PORT
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum { BATCH = 16, ROOM = 2048, PEERS = 22 };

static uint8_t in[BATCH][ROOM], out[BATCH][ROOM];
static struct sockaddr_in names[BATCH];
static struct iovec receive_parts[BATCH], send_parts[BATCH];
static struct mmsghdr received[BATCH], answers[BATCH];

// Writes a big-endian number.
static void put32(uint8_t *at, uint32_t value) {
  value = htonl(value);
  memcpy(at, &value, 4);
}

// Answers as a tracker of some peers would, without looking anything up.
static size_t answer(const uint8_t *request, size_t length, uint8_t *response) {
  uint32_t action = request[11];
  put32(response, action);
  memcpy(response + 4, request + 12, 4);
  put32(response + 8, action == 1 ? 900 : 1);
  put32(response + 12, 1000);
  if (action == 0) return 16;
  if (action == 2) return 8 + 12 * ((length - 16) / 20);
  put32(response + 16, 1000);
  memset(response + 20, 1, 6 * PEERS);
  return 20 + 6 * PEERS;
}

int main(int argc, char **argv) {
  int fd = socket(AF_INET, SOCK_DGRAM, 0), buffer = 8000000;
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(atoi(argv[argc - 1]))};
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &buffer, sizeof buffer);
  if (bind(fd, (struct sockaddr *)&address, sizeof address) != 0) return 69;
  for (int i = 0; i < BATCH; ++i) {
    receive_parts[i] = (struct iovec){in[i], ROOM};
    received[i].msg_hdr = (struct msghdr){.msg_iov = &receive_parts[i], .msg_iovlen = 1};
    send_parts[i].iov_base = out[i];
    answers[i].msg_hdr = (struct msghdr){.msg_iov = &send_parts[i], .msg_iovlen = 1};
  }
  for (;;) {
    for (int i = 0; i < BATCH; ++i) {
      received[i].msg_hdr.msg_name = &names[i];
      received[i].msg_hdr.msg_namelen = sizeof names[i];
    }
    int count = recvmmsg(fd, received, BATCH, MSG_WAITFORONE, NULL), ready = 0;
    for (int i = 0; i < count; ++i) {
      if (received[i].msg_len < 16) continue;
      send_parts[ready].iov_len = answer(in[i], received[i].msg_len, out[ready]);
      answers[ready].msg_hdr.msg_name = &names[i];
      answers[ready].msg_hdr.msg_namelen = received[i].msg_hdr.msg_namelen;
      ++ready;
    }
    for (int sent = 0; sent < ready;) {
      int now = sendmmsg(fd, answers + sent, ready - sent, 0);
      sent += now > 0 ? now : 1;
    }
  }
}
