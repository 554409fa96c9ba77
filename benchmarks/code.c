/* The external code: reads `x = ...`, works for 1 ms of CPU, writes `y = 2 x + 1`.

       code INPUT OUTPUT

   The work is measured with the CPU clock of the process, so it is the same 1 ms whoever
   starts the code and however busy the machine is. */
#include <stdio.h>
#include <time.h>

#ifndef BURN_NS
#define BURN_NS 1000000LL
#endif

static long long cpu_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return now.tv_sec * 1000000000LL + now.tv_nsec;
}

static void burn(void)
{
    const long long end = cpu_ns() + BURN_NS;
    volatile double sum = 0;
    while (cpu_ns() < end)
        for (int i = 0; i < 1000; i++)
            sum = 0.5 * sum + 1;
}

static int read_input(const char *path, double *x)
{
    char line[256];
    int found = 0;
    FILE *file = fopen(path, "r");
    if (!file)
        return 0;
    while (fgets(line, sizeof line, file))
        if (sscanf(line, "x = %lf", x) == 1)
            found = 1;
    fclose(file);
    return found;
}

int main(int argc, char **argv)
{
    double x;
    if (argc != 3) {
        fprintf(stderr, "usage: code INPUT OUTPUT\n");
        return 2;
    }
    if (!read_input(argv[1], &x)) {
        fprintf(stderr, "code: %s: found no line 'x = number'\n", argv[1]);
        return 1;
    }
    burn();
    FILE *file = fopen(argv[2], "w");
    if (!file || fprintf(file, "y = %.17g\n", 2 * x + 1) < 0 || fclose(file)) {
        fprintf(stderr, "code: %s: cannot be written\n", argv[2]);
        return 1;
    }
    return 0;
}
