#!/usr/bin/env python3
"""Times two commands against each other in the order A B B A.

Each command prints one JSON object as its last line of stdout, for example
{"seconds_per_step": 0.41, "first_loss": 0.93}. Every round runs A, B, B, A and
gives two paired ratios key(B) / key(A), one from each neighbouring pair, so
that slow phases of the machine hit both sides alike. Printed as JSON: the
median and the quartiles of the ratios, the median and the minimum of each
side. With a lower-is-better key a ratio above 1 says that A is faster.

    abba.py --rounds=4 --key=seconds_per_step \\
        --check=first_loss:1e-4 --check=last_loss:1e-2 -- \\
        bazel-bin/common/backbones/fcn_benchmark --weights=lite0.pth -- \\
        python3 tools/peers/fcn_step.py --weights=lite0.pth

`--check=NAME:TOLERANCE` demands that NAME agrees in all runs to a relative
tolerance: equal results before any ratio is believed. Exit status 1 when a
check fails, a command fails, or the lower quartile is below --require.
"""

import argparse
import json
import statistics
import subprocess
import sys


def split_commands(argv):
    """(our options, command A, command B) around two '--'."""
    cuts = [i for i, a in enumerate(argv) if a == '--']
    if len(cuts) < 2:
        sys.exit('abba.py: expected OPTIONS -- COMMAND_A -- COMMAND_B')
    a, b = cuts[0], cuts[1]
    return argv[:a], argv[a + 1:b], argv[b + 1:]


def run(command):
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True)
    if done.returncode != 0:
        sys.exit(f'abba.py: exit status {done.returncode}: '
                 f'{" ".join(command)}')
    lines = done.stdout.strip().splitlines()
    try:
        return json.loads(lines[-1])
    except (IndexError, ValueError):
        sys.exit(f'abba.py: no JSON line from: {" ".join(command)}')


def main():
    options, command_a, command_b = split_commands(sys.argv[1:])
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--rounds', type=int, default=4)
    parser.add_argument('--key', default='seconds_per_step')
    parser.add_argument('--check', action='append', default=[],
                        metavar='NAME:TOLERANCE')
    parser.add_argument('--require', type=float, default=0.0,
                        help='smallest lower quartile of key(B) / key(A)')
    args = parser.parse_args(options)

    checks = []
    for check in args.check:
        name, _, tolerance = check.partition(':')
        checks.append((name, float(tolerance or 0)))
    reference = None
    values = {'a': [], 'b': []}
    ratios = []
    for round_index in range(args.rounds):
        row = {'a': [], 'b': []}
        for side in 'abba':
            result = run(command_a if side == 'a' else command_b)
            reference = reference or result
            for name, tolerance in checks:
                expected, got = reference[name], result[name]
                if not abs(got - expected) <= tolerance * abs(expected):
                    sys.exit(f'abba.py: {name} differs: {expected} and {got} '
                             f'(tolerance {tolerance})')
            row[side].append(float(result[args.key]))
        ratios += [row['b'][0] / row['a'][0], row['b'][1] / row['a'][1]]
        for side in 'ab':
            values[side] += row[side]
        print(f'round {round_index + 1}: A {row["a"]}  B {row["b"]}',
              file=sys.stderr)

    quartiles = statistics.quantiles(ratios, n=4, method='inclusive')
    print(json.dumps({
        'key': args.key,
        'pairs': len(ratios),
        'ratio_b_over_a': {
            'lower_quartile': round(quartiles[0], 4),
            'median': round(quartiles[1], 4),
            'upper_quartile': round(quartiles[2], 4),
        },
        'a': {'median': statistics.median(values['a']),
              'minimum': min(values['a'])},
        'b': {'median': statistics.median(values['b']),
              'minimum': min(values['b'])},
    }))
    if quartiles[0] < args.require:
        sys.exit(1)


if __name__ == '__main__':
    main()
