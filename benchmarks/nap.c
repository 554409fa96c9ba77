/* The external code of balance.py: sleeps, and records when it began and ended.

       nap SECONDS LOG

   A line of LOG is `start end`, by the clock of the machine [s]; prints `y = SECONDS`. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static double now_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        fprintf(stderr, "usage: nap SECONDS LOG\n");
        return 2;
    }
    const double start = now_s(), seconds = atof(argv[1]);
    struct timespec left = {(time_t)seconds, (long)(1e9 * (seconds - (double)(time_t)seconds))};
    nanosleep(&left, NULL);

    char line[80];
    const int length = snprintf(line, sizeof line, "%.6f %.6f\n", start, now_s());
    const int log = open(argv[2], O_WRONLY | O_CREAT | O_APPEND, 0666);
    if (log < 0 || write(log, line, (size_t)length) != length) {
        fprintf(stderr, "nap: %s: cannot be written\n", argv[2]);
        return 1;
    }
    printf("y = %.9g\n", seconds);
    return 0;
}
